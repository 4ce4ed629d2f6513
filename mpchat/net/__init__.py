"""A client's socket: what comes in, what goes out, how it ends. It knows lines and groups, and no chat."""
