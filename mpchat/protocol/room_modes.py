"""A room's modes, as both dialects write their changes: IRC's letters and signs, and how many count. Pure."""

from mpchat.chat.channels import MASKS, RIGHTS
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.outcomes import Outcomes

Change = tuple[str, str, str]  # sign, letter, value


def set_modes(context: Context, connection: Connection, name: str, changes: list[Change], unnamed: bytes) -> Outcomes:
    """Make the changes that can be made, and answer the others. `unnamed` answers a +o or +v that names nobody."""
    whole = [change for change in changes if change[1] not in RIGHTS or change[2]]
    if len(whole) < len(changes):
        yield unnamed
    if whole:
        most = context.settings.mode_changes
        made, refused = context.hub.set_modes(connection.session, name, _first(most, whole), context.seconds)
        if made is not None:
            yield made
        each_once = list({refusal.args: refusal for refusal in refused}.values())
        for refusal in each_once[:most]:
            yield connection.dialect.refuse(context, connection, refusal)


def _first(limit: int, changes: list[Change]) -> list[Change]:
    """So many of those with a value, and all that have none (Modern IRC: MODES parameter)."""
    beyond = set([place for place, change in enumerate(changes) if change[2]][limit:])
    return [change for place, change in enumerate(changes) if place not in beyond]


def lists(level: int) -> str:
    """The letters of the modes that are lists, on a server of this level."""
    return "".join(MASKS) if level >= 4 else "b"


def parse_changes(params: list[str], level: int) -> tuple[list[Change], str]:
    """ "+o-v ana beto" as changes, and the letters of the lists that were asked for (a b without a value)."""
    letters, values = params[0], iter(params[1:])
    sign, changes, asked = "+", [], ""
    for letter in letters:
        if letter in "+-":
            sign = letter
        elif letter in lists(level):
            mask = next(values, "")
            if mask:
                changes.append((sign, letter, mask))
            elif letter not in asked:
                asked += letter
        else:
            changes.append((sign, letter, next(values, "") if _has_value(sign, letter) else ""))
    return changes, asked


def values_of(letters: str, level: int) -> int:
    """How many values "+o-v" takes at most."""
    sign, count = "+", 0
    for letter in letters:
        sign = letter if letter in "+-" else sign
        count += letter in lists(level) or _has_value(sign, letter)
    return count


def _has_value(sign: str, letter: str) -> bool:
    return letter in "ovk" or (letter == "l" and sign == "+")
