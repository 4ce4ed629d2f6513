"""What is written to disk. It knows records as tuples, and not what they mean."""
