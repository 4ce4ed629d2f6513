"""e2: how does a client's socket get into another process?"""
