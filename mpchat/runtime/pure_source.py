"""The source of the pure packages, which decide all that is chat, as one hash: does a new broker run the same code?

A process that starts later imports what is on the disk by then. What a broker with other code makes of the journal may
not be what its predecessor had made of it (store/journal.py keeps records, not what follows from them).
"""

import hashlib
from functools import lru_cache
from pathlib import Path

import mpchat

_PURE = ("chat", "core", "flow", "messages.py", "protocol", "settings.py")  # tests/test_architecture.py knows them too


def digest() -> str:
    """Of the source that is on the disk now. An editor's hidden files are none of it."""
    folder = Path(mpchat.__file__).parent
    found = hashlib.sha256()
    for name in _PURE:
        for path in [folder / name] if name.endswith(".py") else sorted((folder / name).rglob("[!.]*.py")):
            data = path.read_bytes()
            found.update(f"{path.relative_to(folder)} {len(data)}\n".encode() + data)
    return found.hexdigest()[:16]


@lru_cache(maxsize=1)
def as_imported() -> str:
    """Of what this process has imported. To be called for the first time when that has just been done."""
    return digest()
