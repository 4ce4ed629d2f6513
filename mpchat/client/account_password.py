"""The password of --account: from a file (cli.py has read it), from a command such as a keyring's, or asked for.

It is read once, before the first connection, and kept in memory. It waits for the command, or for who is at the
terminal.
"""

import asyncio
import os
import selectors
import signal
import subprocess
import sys

from mpchat.client.options import Options
from mpchat.client.plain import Input, hidden
from mpchat.client.sasl import Credentials
from mpchat.texts import t, translate

PRINTED_BYTES = 65_536  # by a command, which prints a password and perhaps some words about it
_TERMINAL = "/dev/tty"  # of the process, whatever its standard streams are (tty(4))


class NoPassword(Exception):
    """Why there is none, in words."""


def credentials(options: Options) -> Credentials | None:
    """What to log in with; None where no account is asked for. Raises NoPassword, or KeyboardInterrupt at Ctrl-C."""
    if not options.account:
        return None
    if options.account_password:
        return Credentials(options.account, options.account_password)
    command = options.account_password_command
    return Credentials(options.account, _told_by(command) if command else _asked_for(options.account))


def _told_by(command: str) -> str:
    """The first line that a shell's command prints. It may ask its own questions where there is a terminal."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=None if os.isatty(0) else subprocess.DEVNULL,  # what a script is to say is not for the command
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout
        printed = process.stdout.read(PRINTED_BYTES)  # all of it: one whose reader goes may fail
        if len(printed) == PRINTED_BYTES:
            process.kill()
            raise NoPassword(t("client.account.too_much", bytes=PRINTED_BYTES))
    if status := process.returncode:
        why = signal.strsignal(-status) or "" if status < 0 else t("client.account.status", status=status)
        raise NoPassword(t("client.account.command_failed", why=translate(why)))
    return _password(printed.partition(b"\n")[0].removesuffix(b"\r"))


def _password(line: bytes) -> str:
    try:
        password = line.decode()
    except UnicodeDecodeError:
        raise NoPassword(t("client.account.no_text")) from None
    if not password:
        raise NoPassword(t("client.account.nothing_printed"))
    if "\0" in password:  # which separates the words of PLAIN (RFC 4616)
        raise NoPassword(t("client.account.no_text"))
    return password


def _asked_for(account: str) -> str:
    """What is typed at the terminal, without an echo; standard input and output may be a program's."""
    try:
        fd = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)  # closed below
    except OSError:  # ENXIO: there is none
        raise NoPassword(t("client.account.nobody_to_ask")) from None
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())  # macOS: kqueue refuses /dev/tty
    asking = loop.create_task(_answer(fd, t("screen.password_of", name=account) + " "))
    loop.add_signal_handler(signal.SIGINT, asking.cancel)
    try:
        password = loop.run_until_complete(asking)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.close()
        os.close(fd)
    if not password:
        raise NoPassword(t("client.account.none_typed"))
    return password


async def _answer(fd: int, question: str) -> str:
    with hidden(fd):
        os.write(fd, question.encode(sys.stdout.encoding or "utf-8", "replace"))
        lines = await Input(fd).lines(together=False)
    return lines[0] if lines else ""
