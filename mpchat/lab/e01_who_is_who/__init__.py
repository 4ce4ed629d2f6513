"""e1: who is who?"""
