"""The front: the process that speaks TLS with clients, and passes what they say on in the clear, on this machine."""
