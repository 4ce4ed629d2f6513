"""Español: cada frase que lee una persona. Las mismas claves y los mismos huecos que en en.py."""

_PLAIN = {  # plain.*: the dialect for nc and telnet
}
_SEARCH = {  # search.*, history.*: what both dialects say of the past
}
_CLIENT = {  # client.*: the screen, and its commands
}
_SCREEN = {  # screen.*: how the client shows what happens
}
_CLI = {  # cli.*: the command line, its help and its errors
}
_PS = {  # ps.*
}

TEXTS: dict[str, str] = {**_PLAIN, **_SEARCH, **_CLIENT, **_SCREEN, **_CLI, **_PS}
