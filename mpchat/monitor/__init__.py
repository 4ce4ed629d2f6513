"""Tools that look at a running server from outside."""
