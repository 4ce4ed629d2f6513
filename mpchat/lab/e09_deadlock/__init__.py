"""e9: deadlock and torn messages."""
