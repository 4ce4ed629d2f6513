"""What the command line and the environment asked of the client. Pure data: filled in by cli.py, and never changed."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Options:
    """One run of the client. An empty text means "not given"."""

    host: str = "127.0.0.1"
    port: int = 6667
    nick: str = ""  # "" is that of the settings file, or asks in a terminal, or comes from the login name
    room: str | None = None  # "" is none; None is that of the settings file, or asks in a terminal
    plain: bool = False  # append-only lines, for screen readers
    color: str = "auto"  # auto, always or never
    password: str = ""
    no_color: bool = False  # the environment's NO_COLOR
    dumb: bool = False  # TERM=dumb: the terminal cannot move its cursor
    history_file: str = ""  # "" keeps the typed lines of this run only
    settings_file: str = ""  # "" keeps no settings
    tls: bool = False
    tls_ca: str = ""  # a file of authorities that may vouch for the server; "" is those of this machine
    account: str = ""  # to log in to; "" is none
    account_password: str = field(default="", repr=False)  # "" is what the command prints, or is asked for
    account_password_command: str = ""  # for the shell
    language: str = ""  # that of --lang; "" is that of the settings file, or the one that texts speaks already
