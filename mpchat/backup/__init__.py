"""mpchat backup and mpchat restore: a data directory's copy, made while a server uses it, and the way back."""
