"""Every command of IRC by its name: a file for each family of commands, and here they are together."""

from mpchat.protocol.irc import (
    accounts,
    channels,
    help,
    history,
    messages,
    modes,
    nickserv,
    operators,
    people,
    read_markers,
    registration,
    server,
    server_bans,
)

COMMANDS = {
    **registration.COMMANDS,
    **accounts.COMMANDS,
    **channels.COMMANDS,
    **help.COMMANDS,
    **history.COMMANDS,
    **messages.COMMANDS,
    **modes.COMMANDS,
    **nickserv.COMMANDS,
    **operators.COMMANDS,
    **people.COMMANDS,
    **read_markers.COMMANDS,
    **server.COMMANDS,
    **server_bans.COMMANDS,
}
