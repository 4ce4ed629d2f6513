"""e4: what if the consumer is slow?"""
