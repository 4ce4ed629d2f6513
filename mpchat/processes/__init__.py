"""The processes, a file each. They wait, read, pass on and write; what a message means they do not know."""
