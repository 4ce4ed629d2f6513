"""python -m mpchat"""

from mpchat.cli import main

if __name__ == "__main__":  # spawned children import this module too, under another name
    raise SystemExit(main())
