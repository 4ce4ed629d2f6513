"""Where the editor begins after its window has got another size. Pure.

There are terminals that lay all their lines out anew (tmux, VTE, kitty, iTerm2 and others): a row of 60 columns becomes
two in a window of 40, and the cursor is in the second. Others cut what does not fit (xterm). Where the two would leave
the cursor in different columns, the column that the terminal reports tells them apart.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Drawn:
    """What the editor had drawn: how many columns each row above the cursor's takes, and the cursor's column."""

    above: tuple[int, ...] = ()
    cursor: int = 0
    has_space: bool = False  # in front of the cursor, as behind the prompt


class Layout:
    """What a terminal has shown of itself."""

    def __init__(self) -> None:
        self._lays_out_anew = True  # most do; each time when it can be told, it is learned

    def rows_above(self, drawn: Drawn, columns: int, reported: int | None) -> int:
        """How many rows lie between the editor's beginning and the cursor, now that the window has so many columns.

        `reported`: the cursor's column as the terminal says it, the first being 1; None: it says nothing.
        """
        if reported is None:
            return len(drawn.above)
        # A terminal may keep no space at the end of a line, and put the cursor where it began. If that is behind a full
        # row, it is in the last column still, or (tmux) in the one behind it.
        may_be_last = drawn.cursor % columns == columns - 1 or (drawn.has_space and drawn.cursor % columns == 0)
        if drawn.cursor >= columns and not (reported == columns and may_be_last):
            self._lays_out_anew = reported < columns or reported == columns + 1
        if not self._lays_out_anew:
            return len(drawn.above)
        offset = drawn.cursor - (drawn.cursor - (reported - 1)) % columns
        if reported == columns + 1:
            offset -= 1
        return sum(max(1, -(-width // columns)) for width in drawn.above) + max(0, offset) // columns
