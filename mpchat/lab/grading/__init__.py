"""Marks for what students hand in: each submission is tried once more, here, in a sandbox."""
