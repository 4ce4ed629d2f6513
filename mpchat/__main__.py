"""python -m mpchat"""

from mpchat.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
