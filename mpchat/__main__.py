"""python -m mpchat"""

from mpchat.ipc import standard

if __name__ == "__main__":
    standard.fill()  # before anything else is opened

    from mpchat.cli import main

    raise SystemExit(main())
