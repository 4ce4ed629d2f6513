"""Bytes on the wire <-> the chat's words: IRC and plain text. Pure: no system call, no clock."""
