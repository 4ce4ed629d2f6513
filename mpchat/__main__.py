"""python -m mpchat"""

from mpchat.runtime import standard_streams

if __name__ == "__main__":
    standard_streams.fill()  # before anything else is opened

    from mpchat.cli import main

    raise SystemExit(main())
