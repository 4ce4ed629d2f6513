import sys

__version__ = "0.1.0"

# Every program here imports this first, by whichever Python it is run: an older one ends in a line, not in a traceback.
# So there is no syntax in here that Python 2 does not know.
_NEEDED = (3, 10)
if sys.version_info < _NEEDED:
    raise SystemExit(
        "mpchat needs Python 3.10 or newer, and " + sys.executable + " is Python " + sys.version.split()[0] + ": "
        "run it with another one, such as python3.12, or by: make PYTHON=python3.12"
    )
