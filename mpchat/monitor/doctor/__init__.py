"""mpchat doctor: will a server run on this machine, and what works less well there?"""
