"""e6: process, thread or event loop?"""
