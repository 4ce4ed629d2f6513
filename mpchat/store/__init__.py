"""The files on disk: journal, snapshot, history, and the lock of their directory. Nothing here knows the chat."""
