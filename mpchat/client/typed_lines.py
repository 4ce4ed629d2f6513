"""The lines typed on earlier days, for Up and Ctrl-R: in a file of mode 0600, where prompt_toolkit looks for them.

What carries a secret is not kept, not even for Up. Where the file cannot be written, the client goes on without.
"""

import os
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from mpchat.client.confidential import carries_secret, is_mistyped

FILE_BYTES = 262_144  # it is cut to half of this when it passes it: about 4,000 lines
_ENTRY = b"\n# "  # each begins with a comment, its time; then come its lines, each behind a +


class TypedLines(FileHistory):
    """In a file."""

    def store_string(self, string: str) -> None:
        if is_mistyped(string):  # until the end of this run, for Up, to mend it
            return
        with suppress(OSError):
            super().store_string(string.encode("utf-8", "replace").decode())  # bytes that were no text are none there


def typed_lines(name: str) -> History:
    """The history in that file, made if need be; of this run only where that cannot be, or with no name."""
    if not name:
        return InMemoryHistory()
    path = Path(name)
    try:
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
        _tidy(path)
    except OSError:
        return InMemoryHistory()
    return TypedLines(name)


def _tidy(path: Path) -> None:
    """Keep the file short, and take out what an earlier version of the client kept of secrets."""
    data = path.read_bytes()
    kept = data
    if len(data) > FILE_BYTES:
        kept = data[-FILE_BYTES // 2 :]
        kept = kept[kept.find(_ENTRY) :]  # from the beginning of an entry
    kept = b"".join(_ENTRY + entry for entry in kept.split(_ENTRY)[1:] if not _is_secret(entry))
    if kept != data:
        path.write_bytes(kept)


def _is_secret(entry: bytes) -> bool:
    lines = entry.decode("utf-8", "replace").split("\n")[1:]
    return carries_secret("\n".join(line[1:] for line in lines))
