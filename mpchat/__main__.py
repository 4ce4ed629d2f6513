"""python -m mpchat, and the command mpchat that pip installs."""

from mpchat.runtime import standard_streams


def main() -> int:
    """Returns the exit status."""
    standard_streams.fill()  # before anything else is opened

    from mpchat import cli

    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
