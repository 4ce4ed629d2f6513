"""English: every sentence that a person reads. Placeholders are those of str.format()."""

_PLAIN: dict[str, str] = {  # plain.*: the dialect for nc and telnet
}
_SEARCH: dict[str, str] = {  # search.*, history.*: what both dialects say of the past
    "search.too_slow": "the search took too long: more words, or rarer ones, make it faster",
    "search.no_index": "this server cannot search: its SQLite has no full-text search (FTS5)",
    "search.no_answer": "the history does not answer, try again later",
    "search.usage": "/search WORDS: finds what was said in the room with all of these words",
    "search.nothing": "nothing in {room} has these words",
    "search.left": "you are no longer in the room that was searched",
    "history.usage": "send me a room that you are in, and how many of its last lines (at most {most}): #room 50",
    "history.not_inside": "you are not in {room}",
    "history.empty": "the history has nothing of {room}",
    "history.missing": "some messages are missing here",
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
