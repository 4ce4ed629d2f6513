"""The client in a terminal: a line editor at the bottom, messages above it in the terminal's own scrollback.

The only file that imports prompt_toolkit. No alternate screen, no mouse. It waits on the terminal and the connection
in one event loop; StdoutProxy brings a thread that only passes text on to that loop.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app_session, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.patch_stdout import StdoutProxy
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.utils import get_cwidth

from mpchat.client.completion import complete
from mpchat.client.conversation import Conversation
from mpchat.client.model import Model
from mpchat.client.options import Options
from mpchat.client.plain import complain
from mpchat.client.session import Session
from mpchat.client.step import Line

PAUSE_SECONDS = 0.02  # between two writes: messages show within it, and a burst repaints the editor once
HISTORY_BYTES = 262_144  # the file of typed lines is cut to half of this when it passes it: about 4,000 lines
_EDITOR = "DEFAULT_BUFFER"


class Keyboard(Vt100Input):
    """The terminal's keys, always raw.

    prompt_toolkit puts the terminal into cooked mode for each write above the editor. A key that falls into that
    moment is echoed into the message (seen once in 1,500 messages); so it is only done for Ctrl-Z, when a shell takes
    over.
    """

    suspending = False

    def cooked_mode(self) -> AbstractContextManager[None]:
        return super().cooked_mode() if self.suspending else nullcontext()


class TypedLines(FileHistory):
    """The typed lines of earlier days, in a file; where it cannot be written, the client goes on without."""

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string.encode("utf-8", "replace").decode())  # bytes that were no text are none there


class Candidates(Completer):
    """Tab, for prompt_toolkit."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        word, candidates = complete(document.text_before_cursor, self._model)
        for candidate in candidates:
            yield Completion(candidate, start_position=-len(word))


class Terminal:
    """The editor and what is printed above it."""

    def __init__(self, options: Options, session: Session, colour: bool) -> None:
        output = get_app_session().output
        if isinstance(output, Vt100_Output):
            output.enable_cpr = False  # each answer would hold back the next message for a round trip
        self._output = output
        self._above = StdoutProxy(sleep_between_writes=PAUSE_SECONDS, raw=True)  # ended by close()
        self._model = session.model
        self._asking = False  # "send 3 lines? [y/N]"
        self._interrupted = False  # the last key was Ctrl-C
        self._talk: asyncio.Task[int] | None = None
        self.conversation = Conversation(session, options.host, options.port, self, colour, True)
        self._keyboard = Keyboard(sys.stdin)
        self._prompt: PromptSession[str] = PromptSession(
            self._label,
            input=self._keyboard,
            rprompt=self.conversation.status,
            completer=Candidates(session.model),
            complete_style=CompleteStyle.READLINE_LIKE,
            complete_while_typing=False,
            history=_history(options.history_file),
            search_ignore_case=True,
            wrap_lines=False,  # a long line scrolls sideways; the prompt stays one line
            erase_when_done=True,
            color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
            key_bindings=self._keys(),
        )

        self._prompt.default_buffer.on_text_changed += self._edited

    async def run(self) -> int:
        """Talk until the user leaves; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.conversation.leave)
        try:
            await self._prompt.prompt_async(pre_run=self._begin)
        except EOFError:  # the terminal is gone
            self.conversation.leave()
        assert self._talk
        return await self._talk

    def close(self) -> None:
        """Print what still waits, and end the thread."""
        self._above.close()

    def _begin(self) -> None:
        # Only now, when prompt_toolkit knows that it runs: what is printed earlier would not be kept off the editor.
        self._talk = asyncio.ensure_future(self.conversation.run())
        self._talk.add_done_callback(self._end)

    def _end(self, talk: "asyncio.Task[int]") -> None:
        if self._prompt.app.is_running and not self._prompt.app.is_done:
            self._prompt.app.exit(result="")

    # What the conversation asks of a screen.

    def write(self, text: str, line: Line) -> bool:
        """Print above the editor."""
        self._above.write(text + "\n")
        return True

    def refresh(self) -> None:
        """Draw the prompt again."""
        self._prompt.app.invalidate()

    def clear(self) -> None:
        """Empty the window; the scrollback stays."""
        self._prompt.app.renderer.clear()

    # The editor.

    def _label(self) -> str:
        """The prompt: `ana #lobby> `, never wider than half the window."""
        if self._asking:
            return f"send {len(_filled(self._prompt.default_buffer.text))} lines? [y/N] "
        names = f"{self._model.nick} {self._model.current}".rstrip()
        return f"{_shorten(names, self._output.get_size().columns // 2)}> "

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        editing = has_focus(_EDITOR)
        asking = Condition(lambda: self._asking)
        keys.add("enter", filter=editing & ~asking)(self._enter)
        keys.add(Keys.BracketedPaste, filter=editing & ~asking)(self._paste)
        keys.add("c-c", filter=editing)(self._interrupt)
        keys.add("<sigint>")(self._interrupt)
        keys.add("c-z", filter=editing)(self._suspend)
        keys.add("c-d", filter=editing & Condition(lambda: not self._prompt.default_buffer.text))(self._leave)
        keys.add(Keys.Any, filter=editing & asking, eager=True)(self._answer)
        return keys

    def _enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if event.key_processor.input_queue:
            # More keys came in the same read: a paste into a terminal that does not mark pastes.
            buffer.insert_text("\n")
            return
        if len(_filled(buffer.text)) > 1:
            self._asking = True
            return
        text = buffer.text.strip("\n")
        buffer.append_to_history()
        buffer.reset()
        self.conversation.type(text)

    def _edited(self, buffer: Buffer) -> None:
        if buffer.text:
            self._interrupted = False

    def _paste(self, event: KeyPressEvent) -> None:
        text = event.data.replace("\r\n", "\n").replace("\r", "\n")
        event.current_buffer.insert_text(text.strip("\n"))

    def _answer(self, event: KeyPressEvent) -> None:
        """Anything but y leaves the lines where they are, to be edited."""
        self._asking = False
        buffer = event.current_buffer
        if event.data.lower() == "y":
            lines = _filled(buffer.text)
            buffer.append_to_history()
            buffer.reset()
            self.conversation.paste(lines)

    def _interrupt(self, event: KeyPressEvent) -> None:
        buffer = self._prompt.default_buffer
        if buffer.text:
            buffer.reset()
            self._interrupted = True
        elif self._interrupted:
            self.conversation.leave()
        else:
            self._interrupted = True
            self.conversation.tell("Ctrl-C again leaves")

    async def _suspend(self, event: KeyPressEvent) -> None:
        self._keyboard.suspending = True
        try:
            await run_in_terminal(lambda: os.kill(0, signal.SIGTSTP))
        finally:
            self._keyboard.suspending = False

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


def _filled(text: str) -> list[str]:
    """The lines of a text that have something in them."""
    return [line for line in text.split("\n") if line.strip()]


def _shorten(text: str, columns: int) -> str:
    """The end of a text, in so many columns: the room matters more than one's own name."""
    if get_cwidth(text) <= columns:
        return text
    while text and get_cwidth(text) > columns - 1:
        text = text[1:]
    return f"…{text}"


def _history(name: str) -> History:
    """The typed lines of earlier days, in a file of mode 0600; of this run only where that cannot be."""
    if not name:
        return InMemoryHistory()
    path = Path(name)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
        path.chmod(0o600)
        if path.stat().st_size > HISTORY_BYTES:
            _halve(path)
    except OSError:
        return InMemoryHistory()
    return TypedLines(name)


def _halve(path: Path) -> None:
    kept = path.read_bytes()[-HISTORY_BYTES // 2 :]
    path.write_bytes(kept[kept.find(b"\n# ") :])  # from the beginning of an entry
