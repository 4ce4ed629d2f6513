"""The terminal chat client: it speaks standard IRC, so it also works with other servers."""
