"""The data directory: one server's at a time, wherever it is moved to; and what to do when a part of it is bad."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mpchat.store import snapshot
from mpchat.store.journal import segments
from tests.running import PATIENCE, IrcClient, PlainClient, Server, at_home
from tests.system.conversation import Conversation
from tests.system.servers import MPCHAT, Unusual, Watched, kill, needs_linux, pids, ready, replaced, until, unusual

pytestmark = [needs_linux, pytest.mark.slow]

WAITS = 5.0  # seconds: a start, for the lock
ENOUGH = 2500  # records for a snapshot
TORN = 2000  # bytes of a block that a tear may take


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def command(data: Path) -> list[str]:
    return [*MPCHAT, "server", "127.0.0.1", "0", "--unlimited", "--workers", "2", "--data", str(data)]


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with unusual(*command(data)[len(MPCHAT) + 3 :]) as it:
        yield it


def refused(data: Path) -> str:
    """What a server says that does not start on this data: one line."""
    environment = {**os.environ, **at_home(data.parent)}
    args = [*command(data), "--log-level", "error"]
    done = subprocess.run(args, env=environment, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"mpchat: .*\n", done.stderr), done.stderr
    return done.stderr


def talks(server: Server, text: str = "hola") -> list[str]:
    """Somebody says something, and reads what was said before."""
    with server.plain("carla") as carla:
        carla.ask(text)
        return carla.ask("/history")


def remembers(carla: PlainClient, *texts: str) -> None:
    until(lambda: all(f"> {text}" in "".join(carla.ask("/history 100")) for text in texts))


# One server's at a time


@pytest.fixture
def orphans(data: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Watched, str]]:
    """What is left of a killed server: one that writes to its data, and is stopped."""
    role: str = request.param
    server = Unusual(command(data))
    try:
        until(lambda: ready(server))
        talks(server, "before")
        with Watched(server) as watched:
            watched.kill(role, signal.SIGSTOP)
            watched.kill("supervisor", signal.SIGKILL)
            # (multiprocessing's own process ends with the last that has its pipe.)
            until(lambda: {*watched.left(within=0.05)} - {"resource_tracker"} == {role})
            try:
                yield watched, role
            finally:
                if watched.left(within=0.05):
                    watched.kill(role, signal.SIGKILL)
    finally:
        server.wait()


@pytest.mark.parametrize("orphans", ["broker", "recorder"], indirect=True)
def test_a_start_waits_for_what_is_left_of_a_killed_server_and_then_names_it(
    data: Path, orphans: tuple[Watched, str]
) -> None:
    """It would go on writing one day, and the journal would have two writers."""
    watched, role = orphans
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    begun = time.monotonic()
    line = refused(data)
    assert time.monotonic() - begun >= WAITS
    by = f"held by process {watched.pids[role]} (mpchat:{role}, stopped)"
    assert line == f"mpchat: another server uses this data directory, {by}: {data}\n"
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before

    watched.kill(role, signal.SIGCONT)
    assert watched.left(within=PATIENCE) == []
    with unusual("--data", str(data)) as server, server.plain("carla") as carla:
        remembers(carla, "before")


def target(fd: Path) -> str:
    """What a descriptor of another process is; nothing if it has been closed meanwhile."""
    try:
        return os.readlink(fd)
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize("orphans", ["broker", "recorder"], indirect=True)
def test_a_start_goes_on_as_soon_as_they_have_ended(data: Path, orphans: tuple[Watched, str]) -> None:
    watched, role = orphans

    class Waiting(Unusual):
        def read_ready_line(self, host: str) -> None:
            fds = Path(f"/proc/{self.process.pid}/fd")
            until(lambda: any(target(fd).startswith("socket:") for fd in fds.iterdir()))  # it is where it waits
            watched.kill(role, signal.SIGCONT)
            super().read_ready_line(host)

    server = Waiting(command(data))
    try:
        talks(server)
        assert not [line for line in server.log_text().splitlines() if " error " in line or "mpchat:" in line]
    finally:
        assert server.stop() == 0


def test_who_does_not_write_there_does_not_hold_it(server: Server, data: Path) -> None:
    """Else a worker that is stopped would keep the next server from starting, and for nothing."""
    before = until(lambda: ready(server))
    kill(server, "broker", "recorder", "authenticator", "worker0", "acceptor")
    now = replaced(server, before, "broker", "recorder", "authenticator", "worker0", "acceptor")
    holding = {role for role, pid in now.items() if str(data) in map(os.readlink, Path(f"/proc/{pid}/fd").iterdir())}
    assert holding == {"supervisor", "broker", "recorder", "authenticator"}


# Moved, or removed


def test_renamed_it_goes_on_where_it_is(server: Server, data: Path, tmp_path: Path) -> None:
    """Whoever dies. Only who looks for it by its old name finds another one there: a new server's, perhaps."""
    before = until(lambda: ready(server))
    conversation = Conversation(server)
    conversation.round()
    place = data.rename(tmp_path / "moved")
    conversation.round()
    kill(server, "broker", "recorder")
    conversation.round()
    now = replaced(server, before, "broker", "recorder")
    with unusual(*command(data)[len(MPCHAT) + 3 :]) as other:
        talks(other, "elsewhere")
        again = place.rename(tmp_path / "moved again")
        size = sum(path.stat().st_size for path in again.glob("journal/*.journal"))
        conversation.round()
        assert sum(path.stat().st_size for path in again.glob("journal/*.journal")) > size
        kill(server, "broker", "recorder")
        conversation.round()
        replaced(server, now, "broker", "recorder")
        with server.plain("eva") as eva:
            remembers(eva, *(line.rpartition(" :")[2].strip() for line in conversation.said[-3:]))
        with other.plain("eva") as eva:
            remembers(eva, "elsewhere")
    conversation.close()
    assert not place.exists()
    server.stop()
    talks_again(again, conversation.said[-1])


def talks_again(data: Path, said: str) -> None:
    with unusual("--data", str(data)) as server, server.plain("eva") as eva:
        remembers(eva, said.rpartition(" :")[2].strip())


def test_renamed_it_keeps_its_snapshots(server: Server, data: Path, tmp_path: Path) -> None:
    place = data.rename(tmp_path / "moved")
    with server.irc("ana") as ana:
        ana.join("#lobby")
        ana.ask(*(f"PING {number}" for number in range(ENOUGH)))
        until((place / "snapshot").exists)
        ana.ask("PRIVMSG #lobby :and then")
        until(lambda: segments(place / "journal")[0] > 0)
        kill(server, "broker")
        ana.sync()
    assert not data.exists()


def removed(data: Path) -> None:
    shutil.rmtree(data)


def without_a_journal(data: Path) -> None:
    shutil.rmtree(data / "journal")


def with_its_journal_elsewhere(data: Path) -> None:
    (data / "journal").rename(data / "away")


def without_a_segment(data: Path) -> None:
    max((data / "journal").glob("*.journal")).unlink()


def emptied(data: Path) -> None:
    without_a_journal(data)
    (data / "snapshot").unlink(missing_ok=True)


@pytest.mark.parametrize("loss", [without_a_journal, with_its_journal_elsewhere, without_a_segment, emptied])
@pytest.mark.parametrize("records", [10, ENOUGH])
def test_files_that_somebody_removes_are_made_again(
    server: Server, data: Path, loss: Callable[[Path], None], records: int
) -> None:
    """The broker knows all that was in them."""
    before = until(lambda: ready(server))
    with server.irc("ana", caps="echo-message") as ana, server.irc("beto") as beto:
        ana.join("#club")
        ana.ask("TOPIC #club :siempre", *(f"PING {number}" for number in range(records)))
        beto.join("#club")
        if records == ENOUGH:
            until((data / "snapshot").exists)
        former = snapshot.position(data)
        ana.sync()  # or the next one could be of the same position
        loss(data)
        until(lambda: snapshot.position(data) > former)
        assert "somebody removed files of the data directory: they are made again" in server.log_text()
        kill(server, "broker")
        assert ana.ask("PRIVMSG #club :still here")[-1].endswith(" PRIVMSG #club :still here")
        assert beto.sync()[-1].endswith(" PRIVMSG #club :still here")
        replaced(server, before, "broker")
    assert server.log_text().count("they are made again") == 1


def without_its_history(data: Path) -> None:
    for path in data.glob("history.db*"):
        path.unlink()


def without_its_database(data: Path) -> None:
    (data / "history.db").unlink()


def without_its_log(data: Path) -> None:
    (data / "history.db-wal").unlink()


def with_a_backup(data: Path) -> None:
    """Of its first second."""
    (data / "backup.db").rename(data / "history.db")


@pytest.mark.parametrize("loss", [without_its_history, without_its_database, without_its_log, with_a_backup])
def test_a_history_that_somebody_removes_is_made_again(
    server: Server, data: Path, loss: Callable[[Path], None]
) -> None:
    """Of what the journal still has, which is at least all that is said from then on."""
    with server.irc("ana", caps="batch draft/chathistory") as ana:
        ana.join("#club")
        ana.ask("CHATHISTORY LATEST #club * 1")  # it has answered: it is there
        shutil.copy(data / "history.db", data / "backup.db")
        first = segments(data / "journal")[0]
        for number in range(ENOUGH):
            ana.send(f"PRIVMSG #club :temprano {number}")
        ana.sync()
        until(lambda: segments(data / "journal")[0] > first)  # the journal no longer has all of it
        loss(data)
        until(lambda: "the history's files: it is opened again" in server.log_text())
        former = segments(data / "journal")[0]
        for number in range(2 * ENOUGH):
            ana.send(f"PRIVMSG #club :tarde {number}")
        ana.sync()
        until(lambda: segments(data / "journal")[0] > former)
        ana.ask("PRIVMSG #club :fin")
        said = [line.rpartition(" :")[2] for line in ana.ask("CHATHISTORY LATEST #club * 100")]
        assert "fin" in said
    assert server.log_text().count("it is opened again") == 1
    is_lost = loss is not without_its_log
    assert server.log_text().count("the journal no longer has what the history lacks") == is_lost
    assert server.stop() == 0
    with closing(sqlite3.connect(data / "history.db")) as db:
        found = [text for (text,) in db.execute("SELECT text FROM messages ORDER BY number")]
        gaps = db.execute("SELECT * FROM gaps").fetchall()
    late = [f"tarde {number}" for number in range(2 * ENOUGH)]
    assert found[-len(late) - 1 :] == [*late, "fin"]
    assert len(gaps) == is_lost
    if not is_lost:
        assert len(found) == 3 * ENOUGH + 1


def test_removed_it_is_told_of_and_nobody_is_lied_to(data: Path) -> None:
    server = Unusual(command(data))
    try:
        until(lambda: ready(server))
        with server.irc("ana", caps="echo-message") as ana:
            ana.join("#lobby")
            removed(data)
            until(lambda: "the data directory was removed" in server.log_text())
            assert ana.ask("PRIVMSG #lobby :hola") == [":ana!~ana@127.0.0.1 PRIVMSG #lobby :hola"]
            kill(server, "recorder")
            ana.sync()
            kill(server, "broker")
            assert server.wait() == 1
        last = server.log_text().splitlines()[-2:]
        why = f"mpchat: the data directory (at the start {data}) was removed while the server ran; the server ends"
        assert why in last
        assert not data.exists()
    finally:
        server.stop()


def test_a_broker_that_finds_nothing_does_not_begin_anew(data: Path) -> None:
    """It would deal with people as strangers whom its predecessor has greeted."""
    server = Unusual(command(data))
    try:
        until(lambda: ready(server))
        with server.irc("ana") as ana:
            kill(server, "broker", by=signal.SIGSTOP)
            emptied(data)
            kill(server, "broker")
            assert server.wait() == 1
            ana.rest()
        assert f"mpchat: {data}: what the last broker had written is gone" in server.log_text()
    finally:
        server.stop()


# What can be done about what is bad


def chatted(data: Path) -> None:
    """A past with a snapshot, and without the segments before it."""
    with unusual("--unlimited", "--data", str(data)) as server, server.irc("ana") as ana:
        ana.join("#lobby")
        ana.ask("PRIVMSG #lobby :long ago", *(f"PING {number}" for number in range(ENOUGH)))
        until((data / "snapshot").exists)
        ana.ask("PRIVMSG #lobby :and then")
        until(lambda: segments(data / "journal")[0] > 0)


def empty_snapshot(data: Path) -> None:
    os.truncate(data / "snapshot", 0)


def torn_snapshot(data: Path) -> None:
    os.truncate(data / "snapshot", (data / "snapshot").stat().st_size - 1)


def no_snapshot(data: Path) -> None:
    (data / "snapshot").unlink()


def snapshot_is_a_folder(data: Path) -> None:
    (data / "snapshot").unlink()
    (data / "snapshot").mkdir()


def snapshot_is_a_fifo(data: Path) -> None:
    (data / "snapshot").unlink()
    os.mkfifo(data / "snapshot")


def damaged_segment(data: Path) -> None:
    path = max((data / "journal").glob("*.journal"))
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)


def no_journal(data: Path) -> None:
    shutil.rmtree(data / "journal")


@pytest.mark.parametrize(
    "damage",
    [
        empty_snapshot,
        torn_snapshot,
        no_snapshot,
        snapshot_is_a_folder,
        snapshot_is_a_fifo,
        damaged_segment,
        no_journal,
    ],
)
def test_the_advice_can_be_followed(data: Path, damage: Callable[[Path], None]) -> None:
    """The rooms are gone then; what was said is not, and what is said then is remembered too."""
    chatted(data)
    damage(data)
    line = refused(data)
    assert str(data / "snapshot" if "snapshot" in damage.__name__ and damage is not no_snapshot else data) in line
    if damage is snapshot_is_a_folder:
        (data / "snapshot").rename(data / "what is this")  # it says which file it is, and why
        line = refused(data)
    assert "move the file 'snapshot' and the folder 'journal' in it away, both, to start" in line
    away = data.parent / "away"
    away.mkdir()
    for name in ("snapshot", "journal"):
        if (data / name).exists():
            (data / name).rename(away / name)
    with unusual("--unlimited", "--data", str(data)) as server, server.plain("carla") as carla:
        carla.ask("and now")
        remembers(carla, "long ago", "and then", "and now")


def file_in_place_of_it(path: Path) -> None:
    path.touch()


def link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [file_in_place_of_it, link_to_nowhere])
def test_what_is_no_folder_is_named(data: Path, make: Callable[[Path], None]) -> None:
    make(data)
    assert refused(data) == f"mpchat: Not a directory: {data}\n"
    data.unlink()
    data.mkdir()
    make(data / "journal")
    assert f"{data / 'journal'}: Not a directory: it cannot be read or written" in refused(data)


@pytest.mark.parametrize("name", [f"{0:020}.journal", "reserve"])
def test_a_fifo_in_the_journal_is_named(data: Path, name: str) -> None:
    """Nobody waits for its other end."""
    (data / "journal").mkdir(parents=True)
    os.mkfifo(data / "journal" / name)
    assert f"{data / 'journal' / name}: it is no file" in refused(data)


# A history that cannot be had


def a_folder(path: Path) -> Callable[[], object]:
    path.mkdir()
    return path.rmdir


def a_loop(path: Path) -> Callable[[], object]:
    path.symlink_to(path)
    return path.unlink


def below_a_file(path: Path) -> Callable[[], object]:
    path.symlink_to("/dev/null/history.db")
    return path.unlink


def a_device(path: Path) -> Callable[[], object]:
    path.symlink_to("/dev/full")
    return path.unlink


def with_a_folder_for_a_log(path: Path) -> Callable[[], object]:
    log = path.with_name(f"{path.name}-wal")
    log.mkdir()
    return log.rmdir


def with_a_folder_for_its_memory(path: Path) -> Callable[[], object]:
    recovery = path.with_name(f"{path.name}-shm")
    recovery.mkdir()
    return recovery.rmdir


def a_foreign_database(path: Path) -> Callable[[], object]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE messages (what)")
        database.commit()
    return path.unlink


OBSTACLES = [
    a_folder,
    a_loop,
    below_a_file,
    a_device,
    with_a_folder_for_a_log,
    with_a_folder_for_its_memory,
    a_foreign_database,
]


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_the_chat_does_not_depend_on_the_history(data: Path, obstacle: Callable[[Path], Callable[[], object]]) -> None:
    data.mkdir()
    remove = obstacle(data / "history.db")
    with unusual("--unlimited", "--data", str(data)) as server:
        recorder = until(lambda: ready(server))["recorder"]
        with server.plain("carla") as carla:
            carla.ask("one")
            begun = time.monotonic()
            for _ in range(10):
                assert "! the history does not answer, try again later" in carla.ask("/history")
            assert time.monotonic() - begun < 10, "it is not waited for"
            carla.ask("two")
            remove()
            remembers(carla, "one", "two")
        assert pids(server)["recorder"] == recorder
        log = server.log_text()
    assert log.count("cannot write the history: it waits until it can") == 1, log
    assert log.count("the history can be written again") == 1


def emptied_journal(data: Path) -> None:
    for path in (data / "journal").glob("*.journal"):
        path.write_bytes(b"")


def removed_journal(data: Path) -> None:
    shutil.rmtree(data / "journal")


def torn_journal(data: Path) -> None:
    (path,) = (data / "journal").glob("*.journal")
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("lose", [emptied_journal, removed_journal, torn_journal])
def test_a_journal_that_is_gone_is_told_of_where_the_history_shows_it(data: Path, lose: Callable[[Path], None]) -> None:
    with unusual(*command(data)[len(MPCHAT) + 3 :]) as server, server.irc("ana") as ana:
        ana.join("#club")
        for number in range(60):
            ana.ask(f"PRIVMSG #club :hola {number}")
    lose(data)
    left = sum(path.stat().st_size for path in data.glob("journal/*.journal")) - TORN

    with unusual(*command(data)[len(MPCHAT) + 3 :]) as server, server.irc("ana") as ana:
        until(lambda: "the journal ends before the history does" in server.log_text())
        ends = re.search(r" history=(\d+) journal=(\d+) ", server.log_text())
        assert ends is not None
        assert int(ends[1]) > left
        assert int(ends[2]) >= left, "what is left of it is not said to be missing"
        kept = until(lambda: ready(server))
        ana.join("#club")
        ana.ask("PRIVMSG #club :de nuevo")
        kill(server, "broker")
        replaced(server, kept, "broker")
        assert server.log_text().count("the journal ends") == 1
        assert "bring the whole data directory back from a backup" in server.log_text()
    with unusual(*command(data)[len(MPCHAT) + 3 :]) as server:
        talks(server)
        assert "the journal ends" not in server.log_text(), "from then on they agree"


def test_why_data_is_refused_is_said_once(data: Path) -> None:
    chatted(data)
    damaged_segment(data)
    environment = {**os.environ, **at_home(data.parent)}
    done = subprocess.run(command(data), env=environment, capture_output=True, text=True, timeout=2 * PATIENCE)
    died, last = done.stderr.splitlines()
    assert re.search(r" process died how='the broker process \(pid \d+\) ended with status 65'$", died)
    assert last.endswith("; the server ends")


def test_a_damaged_history_that_cannot_be_put_aside(data: Path) -> None:
    chatted(data)
    for path in data.glob("history.db*"):
        path.unlink()
    (data / "history.db").write_bytes(b"no database" * 1000)
    for number in (1, 2):
        (data / f"history.db.damaged-{number}").mkdir()
    (data / "history.db.damaged-3-wal").mkdir()
    (data / "history.db.damaged-4").symlink_to("nothing")
    with unusual("--unlimited", "--data", str(data)) as server, server.plain("carla") as carla:
        carla.ask("and now")
        remembers(carla, "and now")
    assert (data / "history.db.damaged-5").read_bytes() == b"no database" * 1000


def test_a_journal_that_the_recorder_cannot_read(server: Server, data: Path) -> None:
    """It says so once, and goes on when it can; the broker has the file open and needs no name."""
    before = until(lambda: ready(server))
    ana = registered(server)
    ana.ask("PRIVMSG #lobby :one")
    (data / "history.db").rename(data / "old")
    os.mkdir(data / "history.db")
    kill(server, "recorder")
    after = replaced(server, before, "recorder")
    until(lambda: "cannot write the history: it waits until it can" in server.log_text())
    ana.ask("PRIVMSG #lobby :two")
    os.rmdir(data / "history.db")
    (data / "old").rename(data / "history.db")
    with server.plain("carla") as carla:
        remembers(carla, "one", "two")
    assert pids(server)["recorder"] == after["recorder"]
    ana.close()


def registered(server: Server) -> IrcClient:
    client = server.irc("ana", caps="echo-message")
    client.join("#lobby")
    return client
