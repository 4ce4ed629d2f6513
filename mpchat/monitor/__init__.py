"""Looking at a running server from outside."""
