"""e10: the poisoned lock."""
