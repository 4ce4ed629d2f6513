import sys

__version__ = "0.1.0"

# Every program here imports this first, by whichever Python it is run: an older one ends in a line, not in a traceback.
# So there is no syntax in here that Python 2 does not know, and its sentence is not in texts/, which is too new for it.
_NEEDED = (3, 10)
if sys.version_info < _NEEDED:
    import os

    _locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    _sentence = (
        "mpchat necesita Python 3.10 o posterior, y %s es Python %s: "
        "usa otro, por ejemplo python3.12, o bien: make PYTHON=python3.12"
        if _locale[:2] == "es" and not _locale[2:3].isalpha()
        else "mpchat needs Python 3.10 or newer, and %s is Python %s: "
        "run it with another one, such as python3.12, or by: make PYTHON=python3.12"
    )
    raise SystemExit(_sentence % (sys.executable, sys.version.split()[0]))
