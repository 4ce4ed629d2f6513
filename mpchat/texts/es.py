"""Español: cada frase que lee una persona. Las mismas claves y los mismos huecos que en en.py."""

_PLAIN: dict[str, str] = {  # plain.*: the dialect for nc and telnet
}
_SEARCH: dict[str, str] = {  # search.*, history.*: what both dialects say of the past
}
_CLIENT: dict[str, str] = {  # client.*: the screen, and its commands
}
_SCREEN: dict[str, str] = {  # screen.*: how the client shows what happens
}
_CLI: dict[str, str] = {  # cli.*: the command line, its help and its errors
}
_PS: dict[str, str] = {  # ps.*
}

TEXTS: dict[str, str] = {**_PLAIN, **_SEARCH, **_CLIENT, **_SCREEN, **_CLI, **_PS}
