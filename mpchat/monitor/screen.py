"""mpchat top in a terminal: the picture, redrawn twice a second, and keys that send signals.

The only file of this package that imports prompt_toolkit, for keys, sizes and what a terminal obeys. Its layout is not
used: to lay out a window of 60 x 200 anew takes it 18 ms, while here only lines that have changed are written.

It waits in one event loop on the terminal, the control socket, a timer and signals (a window's new size, an end).
"""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace

from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_input
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.styles import DEFAULT_ATTRS, Attrs

from mpchat.ipc.control_socket import Follower
from mpchat.monitor.course import Process
from mpchat.monitor.following import Refused
from mpchat.monitor.observer import PERIOD_SECONDS, Lost, Observer
from mpchat.monitor.picture import STYLES, Line, Picture, chosen, moved, render
from mpchat.monitor.signalling import Gone, send
from mpchat.monitor.top import Options
from mpchat.texts import spoken, t, translate

AGAIN_SECONDS = 1.0  # between two attempts to reach a server that is lost
_ATTRS = {  # colour is never the only sign
    "heading": DEFAULT_ATTRS._replace(bold=True, underline=True),
    "flash": DEFAULT_ATTRS._replace(bold=True, reverse=True),
    "selected": DEFAULT_ATTRS._replace(bold=True),
    "alarm": DEFAULT_ATTRS._replace(bold=True, color="ansiyellow"),
    "quiet": DEFAULT_ATTRS._replace(color="ansicyan"),
    "said": DEFAULT_ATTRS._replace(bold=True),
}
_SIGNALS = {"s": signal.SIGSTOP, "c": signal.SIGCONT, "k": signal.SIGKILL}
_QUITTING = ("q", Keys.ControlC, Keys.ControlD)
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def run(follower: Follower, follow: Callable[[], Follower], options: Options) -> int:
    """Until somebody quits; returns the exit status."""
    return asyncio.run(Screen(follower, follow, options).run())


class Screen:
    """The terminal, while it is ours."""

    def __init__(self, follower: Follower, follow: Callable[[], Follower], options: Options) -> None:
        self._follow = follow
        self._observer: Observer | None = Observer(follower)
        self._picture = Picture(options.port, None, spoken(), options.bars)
        self._asked: Process | None = None  # the one that dies if the next key is "y"
        self._drawn: list[Line] = []
        self._size: Size | None = None
        self._depth = ColorDepth.DEPTH_4_BIT if options.has_colours else ColorDepth.DEPTH_1_BIT
        self._input, self._output = create_input(), create_output()

    async def run(self) -> int:
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_signal_handler(signal.SIGWINCH, self._draw)
        for number in _ENDING:
            self._loop.add_signal_handler(number, self._quit)
        assert self._observer
        self._loop.add_reader(self._observer, self._take)
        self._drawn_at = self._tried_at = self._loop.time()
        with self._input.raw_mode(), self._input.attach(self._press):
            self._output.enter_alternate_screen()
            self._output.hide_cursor()
            self._output.disable_autowrap()
            try:
                self._draw()
                self._tick()
                return await self._end
            finally:
                self._timer.cancel()
                self._lose()
                self._output.reset_attributes()
                self._output.enable_autowrap()
                self._output.show_cursor()
                self._output.quit_alternate_screen()
                self._output.flush()

    def _quit(self) -> None:
        if not self._end.done():
            self._end.set_result(0)

    # The server

    def _take(self) -> None:
        """It has said something."""
        assert self._observer
        try:
            has_changed = self._observer.take()
        except Lost:
            self._lose()
        except Refused as refusal:
            self._lose()
            self._say(t("top.refused", said=refusal))
        else:
            if has_changed:
                self._show()

    def _lose(self) -> None:
        if self._observer:
            self._loop.remove_reader(self._observer)
            self._observer.close()
            self._observer = None
            self._picture = replace(self._picture, is_waiting=True)
            self._draw()

    def _show(self) -> None:
        """What is known now, unless the picture is paused."""
        if self._observer and not self._picture.is_paused:
            self._picture = replace(self._picture, facts=self._observer.facts, is_waiting=False)
        self._draw()

    def _tick(self) -> None:
        """Twice a second: whatever no event tells of. A picture is drawn here only if no snapshot brings one."""
        self._timer = self._loop.call_later(PERIOD_SECONDS, self._tick)
        now = self._loop.time()
        if self._observer is None:
            if now - self._tried_at >= AGAIN_SECONDS:
                self._tried_at = now
                self._try_again()
        elif self._observer.look():
            self._show()

    def _try_again(self) -> None:
        try:
            self._observer = Observer(self._follow())
        except OSError:
            return
        self._loop.add_reader(self._observer, self._take)
        self._picture = replace(self._picture, is_waiting=False, is_paused=False, said="")
        self._draw()

    # Keys

    def _press(self) -> None:
        for press in self._input.read_keys():
            self._obey(press.key)
        if self._input.closed:
            self._quit()
        self._draw()

    def _obey(self, key: str) -> None:
        asked, self._asked = self._asked, None
        self._say("")
        if key in _QUITTING:
            self._quit()
        elif asked is not None:
            if key == "y":
                self._send(signal.SIGKILL, asked)
            else:
                self._say(t("top.not_killed"))
        elif self._picture.is_help:
            self._picture = replace(self._picture, is_help=False)
        elif key == "?":
            self._picture = replace(self._picture, is_help=True)
        elif key == "p":
            self._picture = replace(self._picture, is_paused=not self._picture.is_paused)
            self._show()
        elif key in (Keys.Up, Keys.Down):
            row = moved(self._picture.facts, self._picture.selected, 1 if key == Keys.Down else -1)
            self._picture = replace(self._picture, selected=row)
        elif key in _SIGNALS:
            self._signal(_SIGNALS[key])

    def _signal(self, number: signal.Signals) -> None:
        """To the selected process; before the supervisor dies somebody must be sure."""
        process = chosen(self._picture.facts, self._picture.selected)
        if process is None:
            return
        if process.role == "supervisor" and number == signal.SIGKILL:
            self._asked = process
            self._say(t("top.sure"))
        else:
            self._send(number, process)

    def _send(self, number: signal.Signals, process: Process) -> None:
        """What has been done, or why it could not be, is said in the last line."""
        about = {"role": process.role, "pid": process.pid, "signal": number.name}
        assert self._picture.facts
        if process.pid is None:
            self._say(t("top.vacant", **about))
            return
        try:
            send(number, process.pid, process.started, self._picture.facts.supervisor)
        except Gone:
            self._say(t("top.gone", **about))
        except OSError as error:
            self._say(t("top.not_sent", why=translate(os.strerror(error.errno or 0)), **about))
        else:
            self._say(t("top.sent", **about))

    def _say(self, text: str) -> None:
        self._picture = replace(self._picture, said=text)

    # Drawing

    def _draw(self) -> None:
        """Write the lines that have changed. Each is erased first: behind a full one the cursor is still in it."""
        size = self._output.get_size()
        if size != self._size:
            self._output.reset_attributes()
            self._output.erase_screen()
            self._size, self._drawn = size, []
        lines = render(self._picture, size.columns, size.rows)
        for number, line in enumerate(lines):
            if number < len(self._drawn) and self._drawn[number] == line:
                continue
            self._output.cursor_goto(number + 1, 1)
            self._output.reset_attributes()
            self._output.erase_end_of_line()
            for style, text in line:
                self._output.set_attributes(_attrs(style), self._depth)
                self._output.write(text)
        self._drawn = lines
        self._output.reset_attributes()
        self._output.flush()


def _attrs(style: str) -> Attrs:
    assert style in STYLES
    return _ATTRS.get(style, DEFAULT_ATTRS)
