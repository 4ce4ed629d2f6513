"""The client in a terminal: a line editor at the bottom, messages above it in the terminal's own scrollback.

It and typed_lines.py import prompt_toolkit. No alternate screen, no mouse. It waits on the terminal and the connection
in one event loop; StdoutProxy brings a thread that only passes text on to that loop.
"""

import asyncio
import math
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import takewhile
from typing import Any, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app_session, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_focus, is_searching
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent
from prompt_toolkit.key_binding.bindings.named_commands import get_by_name
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import WindowRenderInfo
from prompt_toolkit.layout.controls import UIContent
from prompt_toolkit.layout.margins import Margin
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.patch_stdout import StdoutProxy
from prompt_toolkit.search import accept_search
from prompt_toolkit.utils import get_cwidth

from mpchat.client.commands import asks_password, is_command, talking
from mpchat.client.completion import Completing
from mpchat.client.confidential import carries_secret
from mpchat.client.conversation import Conversation
from mpchat.client.options import Options
from mpchat.client.plain import answered, complain
from mpchat.client.resizing import Drawn, Layout
from mpchat.client.session import Session
from mpchat.client.settings_file import SettingsFile
from mpchat.client.step import Line, harmless
from mpchat.client.trust import wanted
from mpchat.client.typed_lines import typed_lines
from mpchat.client.wrapping import wrapped
from mpchat.texts import t

PAUSE_SECONDS = 0.02  # between two writes: messages show within it, and a burst repaints the editor once
ANSWER_SECONDS = 1.0  # for the terminal to say where the cursor is, after a resize
AGAIN_SECONDS = 2.0  # between two Ctrl-C that leave
PASTE_SECONDS = 3.0  # of silence within a paste before its end is taken for lost
LISTED = 30  # candidates shown for Tab
NAMES_COLUMNS = 3  # of nick and room, that stay where something is unread
CURSOR_COLUMNS = 2  # behind the prompt, which the cursor and the edge need
MOST_COLUMNS = 1000  # of a text of which the beginning is shown: to shorten it takes time
_PASTE_END = "\x1b[201~"  # what a terminal sends behind a paste
# The question whether it marks pastes (DECRQM), behind which is erased the "p" that some print who do not know it; and
# the answers that say so. Any other one is ignored.
_DO_YOU_MARK = "\x1b[?2004$p\r\x1b[K"
_I_MARK = ("\x1b[?2004;1$y", "\x1b[?2004;3$y")
ANSI_SEQUENCES.update({f"\x1b[?2004;{setting}$y": Keys.Ignore for setting in range(5)})
# The window has the keyboard, or has lost it: what ran before us wanted to be told.
ANSI_SEQUENCES.update({"\x1b[I": Keys.Ignore, "\x1b[O": Keys.Ignore})
# Enter, Tab and Backspace with Shift (2) or Ctrl (5) or both (6) held, in kitty's code. The library knows xterm's.
ANSI_SEQUENCES.update({f"\x1b[13;{held}u": Keys.ControlM for held in (2, 5, 6)})
ANSI_SEQUENCES.update({"\x1b[9;2u": Keys.BackTab, "\x1b[127;2u": Keys.ControlH})
_EDITOR = "DEFAULT_BUFFER"
# Of the keys that prompt_toolkit binds: those that would send a line half-typed, take the next key for something else,
# or begin a macro, or a selection (where the next letters are ignored, or replace what is selected). A chat needs none
# of them, and they are easily hit. The others are readline's.
_OFF = (
    *[("c-o",), ("c-q",), ("c-x",), ("c-]",), ("escape", "c-]"), ("c-@",)],
    *[(f"{keys}-{way}",) for keys in ("s", "c-s") for way in ("left", "right", "up", "down", "home", "end")],
)
# Alt and a sign sends what Esc and then that sign send. The library has commands for these, which repeat the next key
# so often, send the line, or do nothing: here the sign is text, like every other that is no command of readline's.
_NO_COMMANDS = "0123456789-#*/aet"


class Keyboard(Vt100Input):
    """The terminal's keys, always raw.

    prompt_toolkit puts the terminal into cooked mode for each write above the editor. A key that falls into that
    moment is echoed into the message (seen once in 1,500 messages); so it is only done for Ctrl-Z, when a shell takes
    over.
    """

    suspending = False

    def __init__(self, stdin: TextIO, on_torn_paste: Callable[[], None]) -> None:
        super().__init__(stdin)
        self._on_torn_paste = on_torn_paste  # the end of a paste is overdue
        self._overdue: asyncio.TimerHandle | None = None

    def read_keys(self) -> list[KeyPress]:
        """The keys that have come. Within a paste there are none until its end; it may be lost, on a bad line."""
        keys = super().read_keys()
        if self._overdue:
            self._overdue.cancel()
            self._overdue = None
        if self.vt100_parser._in_bracketed_paste:  # private, but nothing else says it
            self._overdue = asyncio.get_running_loop().call_later(PASTE_SECONDS, self._on_torn_paste)
        return keys

    def has_more(self) -> bool:
        """Are there bytes that were not read yet?"""
        return bool(select.select([self.fileno()], [], [], 0)[0])

    def end_paste(self) -> list[KeyPress]:
        """What a paste without an end has brought, as if its end had come."""
        self.vt100_parser.feed(_PASTE_END)
        return self.flush_keys()

    def cooked_mode(self) -> AbstractContextManager[None]:
        return super().cooked_mode() if self.suspending else nullcontext()


class Edge(Margin):
    """The last column, which stays empty: at the end of a long line the cursor would be there.

    When the window shrinks, it would then more often be in a column where a terminal that cuts lines is not told from
    one that lays them out anew.
    """

    def get_width(self, get_ui_content: Callable[[], UIContent]) -> int:
        return 1

    def create_margin(self, window_render_info: WindowRenderInfo, width: int, height: int) -> StyleAndTextTuples:
        return []


class Terminal:
    """The editor and what is printed above it."""

    def __init__(self, options: Options, session: Session, colour: bool) -> None:
        output: Any = get_app_session().output
        if isinstance(output, Vt100_Output):
            output.enable_cpr = False  # each answer would hold back the next message for a round trip
        self._output = output
        # The library would do so for each message: a paste would come without its marks, if it came just then.
        self._unmark_pastes, output.disable_bracketed_paste = output.disable_bracketed_paste, _nothing
        self._marks_pastes = False  # it is known that the terminal does
        self._question = _DO_YOU_MARK  # in front of the next line that is printed, where nothing is drawn
        self._erase_down, output.erase_down = output.erase_down, self._erase
        self._flush_output, output.flush = output.flush, self._flush
        self._real_size, output.get_size = output.get_size, self._size
        self._is_drawing = False
        self._above = StdoutProxy(sleep_between_writes=PAUSE_SECONDS, raw=True)  # ended by close()
        self._model, self._unread = session.model, session.unread
        self._pasted = ""  # several lines, while it asks whether to send them to the place of the model's `question`
        self._is_unmarked = False  # what is in the editor came in several lines that no terminal marked as a paste
        self._obeys = False  # what it asks about is that, and there are /commands in it
        self._password = ""  # as far as it is typed
        self._interrupted = -math.inf  # when Ctrl-C was pressed on an empty line, and nothing typed since
        self._talk: asyncio.Task[int] | None = None
        self.conversation = Conversation(
            session,
            options.host,
            options.port,
            self,
            colour,
            True,
            settings=SettingsFile(options.settings_file),
            tls=wanted(options),
        )
        self._keyboard = Keyboard(sys.stdin, self._end_paste)
        self._completing = Completing(session.model)
        self._layout = Layout()
        self._asked_where = self._answered_where = 0  # how often the terminal was asked where the cursor is
        self._drawn_in: Size | None = None  # the size of the window when the editor was drawn last
        self._asked_in: Size | None = None  # and when the terminal was asked
        self._resized = False  # what is drawn stands nobody knows where: nothing is drawn or printed
        self._held: list[str] = []  # to be printed when that is known
        self._prompt: PromptSession[str] = PromptSession(
            self._label,
            input=self._keyboard,
            rprompt=self._right,
            history=typed_lines(options.history_file),
            search_ignore_case=True,
            # A long line scrolls sideways, and the prompt stays one line; of several, the short ones would scroll away.
            wrap_lines=Condition(lambda: "\n" in self._prompt.default_buffer.text),
            erase_when_done=True,
            color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
            key_bindings=self._keys(),
        )
        self._prompt.default_buffer.on_text_changed += self._edited
        self._prompt.default_buffer.accept_handler = self._accept  # the library's own would end the prompt
        self._prompt.layout.current_window.right_margins = [Edge()]
        # Private, but there is no other way: the library erases where the editor was before the resize.
        app: Any = self._prompt.app
        app._on_resize, self._redraw = self._on_resize, app._redraw
        app._redraw = self._draw

    async def run(self) -> int:
        """Talk until the user leaves; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.conversation.leave)
        loop.add_signal_handler(signal.SIGCONT, self._mark_pastes)
        draft = Document()
        while self._talk is None or not self._talk.done():
            try:
                await self._prompt.prompt_async(default=draft, pre_run=self._begin, set_exception_handler=False)
            except EOFError:  # the terminal is gone
                self.conversation.leave()
                break
            draft = self._prompt.default_buffer.document  # should a key end it that we know nothing of: a new one
        assert self._talk
        return await self._talk

    def close(self) -> None:
        """Print what still waits, and end the thread."""
        self._above.close()
        self._unmark_pastes()
        with suppress(OSError):  # the terminal is gone
            self._flush_output()

    def _mark_pastes(self) -> None:
        """A shell that had the terminal meanwhile wanted no marks."""
        self._output.enable_bracketed_paste()
        self._output.flush()

    def _begin(self) -> None:
        if self._talk:
            return
        # Only now, when prompt_toolkit knows that it runs: what is printed earlier would not be kept off the editor.
        asyncio.get_running_loop().set_exception_handler(self._failed)
        self._talk = asyncio.ensure_future(self.conversation.run())
        self._talk.add_done_callback(self._end)

    def _end(self, talk: "asyncio.Task[int]") -> None:
        if self._prompt.app.is_running and not self._prompt.app.is_done:
            self._prompt.app.exit(result="")

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A key, or what it led to, failed in a way that we know nothing of: say so, and go on."""
        what = f"{context.get('exception') or context['message']!r}"
        self.conversation.tell(t("screen.failed", what=what))

    # What the conversation asks of a screen.

    def write(self, text: str, line: Line) -> bool:
        """Print above the editor."""
        if self._resized:
            self._held.append(text)
        else:
            self._print(text)
        return True

    def refresh(self) -> None:
        """Draw the prompt again."""
        self._prompt.app.invalidate()

    def clear(self) -> None:
        """Empty the window; the scrollback stays."""
        self._prompt.app.renderer.clear()

    def _flush(self) -> None:
        """Send what is drawn, and leave if the terminal is gone (EIO).

        An error here would end the library's run_in_terminal() half way, and its prompt waits for the end of that: the
        client would wait for ever, and turn its loop for a terminal that is readable and has nothing to read.
        """
        try:
            self._flush_output()
        except OSError:
            self.conversation.leave()

    def _erase(self) -> None:
        """Erase the row of the cursor, which is in the first column, and what is below it.

        The rows below from the second column: what a clearing of the whole screen takes away, tmux keeps in its
        scrollback, and that would be the old editor as long as there is nothing above it.
        """
        self._output.erase_end_of_line()
        self._output.cursor_forward(1)
        self._erase_down()
        self._output.cursor_backward(1)

    # Another size of the window.

    def _on_resize(self) -> None:
        """Ask where the cursor is now, before anything is drawn."""
        size = self._output.get_size()
        if self._resized and size == self._asked_in:
            return
        self._resized, self._asked_in = True, size
        self._asked_where += 1
        self._output.ask_for_cpr()
        asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._located, None, self._asked_where)

    def _located(self, column: int | None, asked: int) -> None:
        """Draw the editor again, in place of the old one, when the last question has its answer, or gets none."""
        if not self._resized or asked != self._asked_where:
            return
        rows = self._layout.rows_above(self._drawn(), self._output.get_size().columns, column)
        self._resized, self._drawn_in = False, None
        self._output.write_raw("\r")
        self._output.cursor_up(rows)
        self._output.erase_down()
        self._prompt.app.renderer.reset(leave_alternate_screen=False)
        self._prompt.layout.current_window.horizontal_scroll = 0  # a wider window may show all of the line
        self._draw()
        held, self._held = self._held, []
        for text in held:
            self._print(text)

    def _print(self, text: str) -> None:
        question, self._question = self._question, ""
        self._above.write(question + wrapped(text, self._output.get_size().columns, get_cwidth) + "\n")

    def _drawn(self) -> Drawn:
        screen = self._prompt.app.renderer.last_rendered_screen
        if screen is None:
            return Drawn()
        cursor = screen.get_cursor_position(self._prompt.layout.current_window)
        rows = [screen.data_buffer[row] for row in range(cursor.y)]
        # Spaces at a row's end are not written, unless they are styled.
        used = [[column for column, cell in row.items() if cell.char.strip() or cell.style.strip()] for row in rows]
        has_space = cursor.x > 0 and screen.data_buffer[cursor.y][cursor.x - 1].char == " "
        return Drawn(tuple(max(columns, default=-1) + 1 for columns in used), cursor.x, has_space)

    def _position(self, event: KeyPressEvent) -> None:
        """The terminal says where the cursor is, or a paste looks as if it did."""
        if self._asked_where == self._answered_where:
            self._take(event)
            return
        self._answered_where += 1
        self._located(int(event.data[2:-1].partition(";")[2]), self._answered_where)

    def _draw(self, *args: Any, **kwargs: Any) -> None:
        size = self._output.get_size()
        if self._resized:
            return
        if size != self._drawn_in and self._drawn_in is not None:  # its signal is still on the way
            self._on_resize()
            return
        self._drawn_in, self._is_drawing = size, True
        try:
            self._redraw(*args, **kwargs)
        finally:
            self._is_drawing = False

    def _size(self) -> Size:
        """The window's size; while it is drawn, that in which it began: a resize meanwhile comes after it."""
        return self._drawn_in if self._is_drawing and self._drawn_in else self._real_size()

    # The editor.

    def _label(self) -> str:
        """The prompt: `ana #lobby [#so:3 beto:1!]> `, never wider than half the window, or what is to be answered."""
        columns = self._output.get_size().columns
        if ask := self.conversation.ask:
            room = columns - CURSOR_COLUMNS - get_cwidth(ask.question("")) - len(" ")
            return ask.question(_shorten(ask.name, min(columns // 2, room))) + " "
        if self._pasted:
            return self._ask(_filled(self._pasted), columns)
        names = f"{self._model.nick} {self._model.current}".rstrip()
        brackets, half = len(" []"), columns // 2
        unread = self._unread.label(half - get_cwidth(names) - brackets, get_cwidth)
        room = half - get_cwidth(unread) - brackets  # for the names, which give way to what calls
        if unread and room >= NAMES_COLUMNS:
            return f"{_shorten(names, room)} [{unread}]> "
        return f"{_shorten(names, half)}> "

    def _ask(self, lines: list[str], columns: int) -> str:
        """Whether to send the lines, and where to; shorter where it would be cut, so that its [y/N] is seen."""
        kind, count = "obey" if self._obeys else "send", len(lines)
        question = t(f"screen.{kind}_lines", count=count, place=_shorten(self._model.question, columns // 3))
        room = columns - CURSOR_COLUMNS
        if get_cwidth(question) <= room:
            return question + _beginning(" | ".join(self._shown(lines[:columns])), columns - get_cwidth(question) - 1)
        place = _shorten(self._model.question, room - get_cwidth(t(f"screen.{kind}_short", count=count, place="")))
        return t(f"screen.{kind}_short", count=count, place=place)

    def _shown(self, lines: list[str]) -> Iterator[str]:
        """What a question shows of the lines that it is about: of a secret as much as a line with one tells anyway."""
        is_password = False
        for line in map(harmless, lines):
            is_secret = is_password or carries_secret(line, self._model.current)
            yield f"{line.split()[0] if is_command(line) else ''} …".lstrip() if is_secret else line[:MOST_COLUMNS]
            is_password = bool(asks_password(line))

    def _right(self) -> str:
        """At the right edge: what is said and has not come back, and the connection. As much as fits."""
        status = self.conversation.status()
        columns = self._output.get_size().columns - get_cwidth(self._label()) - CURSOR_COLUMNS
        if not status or get_cwidth(status) > columns:
            return self.conversation.signs() if status else ""
        pending = _beginning(f"… {self.conversation.pending()}", columns - get_cwidth(status) - 2)
        return f"{pending}  {status}" if get_cwidth(pending) > len("… ") else status

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        editing = has_focus(_EDITOR)
        asking = Condition(lambda: bool(self._pasted))
        secret = Condition(lambda: self.conversation.ask is not None)
        for off in _OFF:
            keys.add(*off, eager=True)(_ignore)
        keys.add("c-s", filter=editing)(_ignore)  # a search onwards, where nothing follows; in a search it turns round
        keys.add("enter", filter=editing)(self._enter)
        keys.add("tab", filter=editing)(self._tab)
        keys.add("s-tab", filter=editing)(self._tab_back)
        keys.add(Keys.BracketedPaste, filter=editing)(self._paste)
        keys.add(Keys.Vt100MouseEvent)(self._take)  # none was asked for: it is a paste with a colour in it
        keys.add("c-c", filter=editing, eager=True)(self._interrupt)
        keys.add("<sigint>", eager=True)(self._interrupt)
        keys.add("c-z")(self._suspend)
        for end in ("enter", "escape"):
            keys.add(end, filter=is_searching, eager=True)(self._end_search)
        for sign in _NO_COMMANDS:
            keys.add("escape", sign, eager=True)(self._insert)
        keys.add(Keys.Any, save_before=lambda event: not event.is_repeat)(self._insert)
        keys.add("c-d", filter=editing & Condition(lambda: not self._prompt.default_buffer.text))(self._leave)
        keys.add(Keys.Any, filter=editing & asking, eager=True)(self._answer)
        keys.add(Keys.Any, filter=secret, eager=True)(self._type_password)
        keys.add(Keys.CPRResponse, eager=True)(self._position)
        keys.add(Keys.Ignore, eager=True)(self._report)
        return keys

    def _enter(self, event: KeyPressEvent) -> None:
        """The end of a line; or one within a paste into a terminal that does not mark pastes.

        Such a paste comes in one read, or in several at once; so does what was typed while we had no time to read it.
        Where it is not known that the terminal marks pastes, both are asked about.
        """
        behind = event.key_processor.input_queue
        has_more = any(not isinstance(key.key, Keys) for key in behind) or (not behind and self._keyboard.has_more())
        if has_more and not self._marks_pastes:
            self._is_unmarked = True
            event.current_buffer.insert_text("\n")
        else:
            event.current_buffer.validate_and_handle()

    def _accept(self, buffer: Buffer) -> bool:
        """A line is done, by whichever key: of several, ask first. Nothing of it is left in the editor."""
        lines = _filled(buffer.text)
        if len(lines) > 1:
            self._obeys = self._is_unmarked and any(is_command(line) for line in lines)
            if not self._obeys and not self.conversation.place():
                self.conversation.tell(t("screen.nothing_sent", where=talking(self._model)))
                return True
            self._pasted, self._model.question = buffer.text, self.conversation.place()
            buffer.reset()
            return True
        text = buffer.text.strip("\n")
        self._remember(buffer)
        buffer.reset()
        self._is_unmarked = False
        self.conversation.type(text)
        return True

    def _remember(self, buffer: Buffer) -> None:
        if not carries_secret(buffer.text, self._model.current):
            buffer.append_to_history()

    def _edited(self, buffer: Buffer) -> None:
        self.conversation.touched()
        if buffer.text:
            self._interrupted = -math.inf
        elif not self._pasted:
            self._is_unmarked = False

    def _paste(self, event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(text.strip("\n"))
        self._marks_pastes, self._is_unmarked = True, False

    def _report(self, event: KeyPressEvent) -> None:
        """The terminal says something of itself. Lines that came before it says that it marks pastes may be one."""
        self._marks_pastes = self._marks_pastes or event.data in _I_MARK

    def _end_paste(self) -> None:
        """Of a paste the end is lost: what has come is text, or no key would ever be one again."""
        processor = self._prompt.app.key_processor
        processor.feed_multiple(self._keyboard.end_paste())
        processor.process_keys()

    def _end_search(self, event: KeyPressEvent) -> None:
        """The line that is found is edited; where none is, the words typed to find it are text, and not lost."""
        words, buffer = event.current_buffer.text, self._prompt.default_buffer
        accept_search()
        if words.lower() not in buffer.text.lower():
            buffer.insert_text(words)

    def _insert(self, event: KeyPressEvent) -> None:
        """A letter is text. The library would also insert what a terminal sends for a key like Shift-PageUp."""
        if not isinstance(event.key_sequence[-1].key, Keys):
            get_by_name("self-insert").call(event)

    def _take(self, event: KeyPressEvent) -> None:
        """What only looks like a key is text."""
        event.current_buffer.insert_text(harmless(event.data))

    def _tab(self, event: KeyPressEvent) -> None:
        self._complete(event.current_buffer, 1)

    def _tab_back(self, event: KeyPressEvent) -> None:
        self._complete(event.current_buffer, -1)

    def _complete(self, buffer: Buffer, way: int) -> None:
        before = buffer.document.current_line_before_cursor
        after, candidates = self._completing.tab(before, way)
        if after != before:
            buffer.delete_before_cursor(len(before))
            buffer.insert_text(after)
        if candidates:
            more = len(candidates) - LISTED
            shown = [*candidates[:LISTED], *[t("screen.and_more", count=more)] * (more > 0)]
            self.conversation.tell("  ".join(shown))

    def _answer(self, event: KeyPressEvent) -> None:
        """Anything but yes leaves the lines where they are, to be edited. A paste is no answer, nor is a letter.

        What comes then is a line of its own, behind them.
        """
        buffer, key = self._prompt.default_buffer, event.key_sequence[-1].key
        pasted, self._pasted = self._pasted.rstrip("\n"), ""
        buffer.insert_text(pasted)
        answer = self._answered(event)
        if answer and self._obeys:
            self._obey(buffer)
        elif answer:
            self._remember(buffer)
            buffer.reset()
            self._is_unmarked = False
            self.conversation.paste(_filled(pasted), self._model.question)
        else:
            buffer.insert_text("\n")
            if key == Keys.BracketedPaste:
                self._paste(event)
            elif answer is None:
                self._insert(event)

    def _answered(self, event: KeyPressEvent) -> bool | None:
        """Is this key a yes or a no, or the first of a word that is? None: it begins a line.

        A word, and Enter behind it, come in one read where a program types, or where we had no time to read.
        """
        queue, first = event.key_processor.input_queue, event.key_sequence[-1].key
        if isinstance(first, Keys):
            return None
        letters = list(takewhile(lambda press: not isinstance(press.key, Keys), queue))
        answer = answered(first + "".join(press.data for press in letters))
        if first not in t("screen.yes" if answer else "screen.no"):  # of one language: in others it begins a sentence
            return None
        if answer is not None:
            for _ in letters:
                queue.popleft()
            if queue and queue[0].key == Keys.Enter:
                queue.popleft()
        return answer

    def _obey(self, buffer: Buffer) -> None:
        """Take the lines in the editor as if they had come one by one."""
        lines = _filled(buffer.text)
        buffer.reset()
        for line in lines:
            if self.conversation.ask:
                self._end_password(line)
            else:
                buffer.text = line
                self._accept(buffer)

    def _type_password(self, event: KeyPressEvent) -> None:
        """One key of a password. Nothing of it is shown, and it is nowhere but here."""
        key, data = event.key_sequence[-1].key, event.data
        if key in (Keys.Enter, Keys.ControlJ):
            self._end_password(self._password)
        elif key in (Keys.ControlC, Keys.ControlD, Keys.ControlG, Keys.SIGINT):
            self._end_password("")
        elif key in (Keys.Backspace, Keys.ControlH):
            self._password = self._password[:-1]
        elif key == Keys.ControlU:
            self._password = ""
        elif key == Keys.BracketedPaste:
            self._password += data.strip("\r\n")
        elif not isinstance(key, Keys):
            self._password += data

    def _end_password(self, password: str) -> None:
        self._password = ""
        self.conversation.answer(password)

    def _interrupt(self, event: KeyPressEvent) -> None:
        if self.conversation.ask:
            self._end_password("")
            return
        buffer = self._prompt.default_buffer
        now = time.monotonic()
        if buffer.text or self._pasted:
            self._pasted, self._is_unmarked = "", False
            buffer.reset()
        elif self.conversation.cancel():
            pass
        elif now - self._interrupted < AGAIN_SECONDS:
            self.conversation.leave()
        else:
            self._interrupted = now
            self.conversation.tell(t("screen.again"))

    async def _suspend(self, event: KeyPressEvent) -> None:
        self._keyboard.suspending = True
        try:
            await run_in_terminal(self._stop)
        finally:
            self._keyboard.suspending = False

    def _stop(self) -> None:
        """Leave the terminal to the shell. What is pasted before it marks pastes again, is not marked."""
        self._unmark_pastes()
        self._output.flush()
        self._marks_pastes, self._question = False, _DO_YOU_MARK
        os.kill(0, signal.SIGTSTP)

    def _leave(self, event: KeyPressEvent) -> None:
        self.conversation.leave()


def run(options: Options, session: Session, colour: bool) -> int:
    """Talk in the terminal; the exit status."""
    terminal = Terminal(options, session, colour)
    try:
        status = asyncio.run(terminal.run())
    finally:
        terminal.close()
    if terminal.conversation.failure:
        complain(terminal.conversation.failure)
    return status


def _ignore(event: KeyPressEvent) -> None:
    """A key that does nothing."""


def _nothing() -> None:
    """What is not to be done."""


def _filled(text: str) -> list[str]:
    """The lines of a text that have something in them."""
    return [line for line in text.split("\n") if line.strip()]


def _beginning(text: str, columns: int) -> str:
    """The beginning of a text, in so many columns."""
    if get_cwidth(text) <= columns:
        return text
    text = text[:MOST_COLUMNS]
    while text and get_cwidth(text) > columns - 1:
        text = text[:-1]
    return f"{text}…" if columns > 0 else ""


def _shorten(text: str, columns: int) -> str:
    """The end of a text, in so many columns: the room matters more than one's own name."""
    if get_cwidth(text) <= columns:
        return text
    while text and get_cwidth(text) > columns - 1:
        text = text[1:]
    return f"…{text}"
