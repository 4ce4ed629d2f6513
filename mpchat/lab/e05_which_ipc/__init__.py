"""e5: which IPC is the fastest, and why is that the wrong question?"""
