"""e3: who may die?"""
