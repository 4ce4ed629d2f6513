"""e8: where does the CPU time go?"""
