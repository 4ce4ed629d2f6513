"""Español: cada frase que lee una persona. Las mismas claves y los mismos huecos que en en.py."""

_PLAIN: dict[str, str] = {  # plain.*: the dialect for nc and telnet
}
_SEARCH: dict[str, str] = {  # search.*, history.*: what both dialects say of the past
    "search.too_slow": "la búsqueda tardó demasiado: con más palabras, o menos comunes, va más rápido",
    "search.no_index": "este servidor no puede buscar: su SQLite no tiene búsqueda de texto (FTS5)",
    "search.no_answer": "el historial no responde, inténtalo más tarde",
    "search.usage": "/search PALABRAS: encuentra lo que se dijo en la sala con todas esas palabras",
    "search.nothing": "en {room} no hay nada con esas palabras",
    "search.left": "ya no estás en la sala en la que se buscaba",
    "history.usage": "envíame una sala en la que estés y cuántas de sus últimas líneas (como máximo {most}): #sala 50",
    "history.not_inside": "no estás en {room}",
    "history.empty": "el historial no tiene nada de {room}",
    "history.missing": "aquí faltan algunos mensajes",
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
