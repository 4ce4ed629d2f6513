"""core: the answer to a labelled line (IRCv3 labeled-response) has its label, exactly once, and nothing else has it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.core.machine import Core
from mpchat.protocol.irc.table import COMMANDS
from mpchat.settings import ChatSettings
from tests.core.driver import UTC_OFFSET, WALL, Driver, Person

S = ":mpchat.local "
ANA = ":ana!~ana@127.0.0.1 "
LABELS = "labeled-response batch"
CAPS = f"{LABELS} echo-message message-tags server-time draft/chathistory soju.im/search standard-replies sasl"
PARAMETERS = [
    *("", "#a", "beto", "ana", "#a beto", "beto #a", "#b,#a,#b", "beto,ana,nobody :eh", "#a :hola", "* * *", "LS 302"),
    *("REQ :-server-time", "REQ :-batch", "REQ :-labeled-response", "LATEST #a * 5", "LATEST #nowhere * 5", "in=#a"),
    *("eva x", "#lobby eva", "#lobby,#lobby eva,ana", "#a +ooo beto ana beto", "ana +w", "ana -o", "a b c :d", "k"),
    *("*@beto :x", "*@127.0.0.1 :x", "192.0.2.1 :x", "PLAIN", "HELP", "INFO beto", "REGISTER *", "#a :\x02 bold"),
]  # fmt: skip
ROW = (1, WALL, "#a", "x!y@z", "PRIVMSG", "hola", UTC_OFFSET)
ANSWERS: dict[str, list[Any]] = {
    "password": [True, False],
    "oper": [True, False],
    "rehash": [(True, "done"), (False, "wrong")],
    "registration": [("registered", "ana"), ("taken", ""), ("weak", "short")],
    "registration at NickServ": [("registered", "ana"), ("taken", "")],
    "login": [("in", "ana"), ("wrong", "ana")],
    "login at NickServ": [("in", "ana"), ("wrong", "ana")],
    "sasl": [("in", "ana"), ("wrong", "ana"), ("more", "")],
}
PAST: list[Any] = [[ROW], [], "lost"]


def parts(line: str) -> tuple[dict[str, str], list[str]]:
    """Tags; command and parameters."""
    packed, line = line[1:].split(" ", 1) if line.startswith("@") else ("", line)
    tags = dict(tag.partition("=")[::2] for tag in packed.split(";") if tag)
    return tags, line.split(" ")[1:] if line.startswith(":") else line.split(" ")


def answer_of(lines: list[str], label: str) -> list[str]:
    """The one logical message with this label: a line, or a batch, which is whole. Nothing else is in it."""
    (first,) = [place for place, line in enumerate(lines) if "label" in parts(line)[0]]
    tags, words = parts(lines[first])
    assert tags["label"] == label
    if words[0] != "BATCH":
        assert not any("batch" in parts(line)[0] for line in lines)
        return [lines[first]]
    name = words[1].removeprefix("+")
    (last,) = [place for place, line in enumerate(lines) if parts(line)[1][:2] == ["BATCH", f"-{name}"]]
    assert not any(parts(line)[0].get("batch") == name for line in [*lines[: first + 1], *lines[last:]])
    open_now: set[str] = set()
    inside = []
    for line in lines[first:last]:
        tags, words = parts(line)
        assert tags.get("batch") in {None, *open_now}
        if words[0] == "BATCH":
            open_now ^= {words[1][1:]}
        if "batch" in tags:
            inside.append(line)
    assert open_now == {name}
    assert inside or name != "label"
    return inside


def without_labels(lines: list[str]) -> list[str]:
    """What would have been read if the line had had none."""
    kept = []
    for line in lines:
        tags, words = parts(line)
        if words[0] == "ACK" or (words[0] == "BATCH" and words[1][1:] == "label"):
            continue
        packed = [
            tag
            for tag in (line[1:].split(" ", 1)[0].split(";") if tags else [])
            if tag != "batch=label" and not tag.startswith("label=")
        ]
        rest = line.split(" ", 1)[1] if tags else line
        kept.append(f"@{';'.join(packed)} {rest}" if packed else rest)
    return kept


def scene(kind: str = "member", **chat: Any) -> tuple[Driver, Person]:
    """ana, with labels, beto and eva (plain text), in #a and #lobby; and ana as she is before her line."""
    driver = Driver(ChatSettings(opers_exist=True, motd=("uno", "dos"), accounts_per_hour=0, **chat))
    driver.feed(("accounts", ["zoe"], ["PLAIN"]))
    ana = driver.connect()
    ana.send(f"CAP REQ :{CAPS}", "NICK ana", "USER ana 0 * :Ana")
    beto, eva = driver.irc("beto", caps="server-time message-tags"), driver.plain("eva")
    if kind != "newcomer":
        ana.send("CAP END", "JOIN #a", "JOIN #lobby", "MODE ana +w")
        beto.send("JOIN #a", "JOIN #lobby")
        eva.send("/join #a")
    if kind == "operator":
        ana.send("OPER root x")
        driver.answer(True)
    driver.asked.clear()
    for person in driver.people:
        person.heard()
    return driver, ana


def said(driver: Driver, ana: Person, line: str, answer: int, dies: bool = False) -> list[list[str]]:
    """What each reads if ana sends this, and it is answered if it asks something. `dies`: a broker does meanwhile."""
    driver.feed(*ana.records([line]))
    for _ in range(3):
        if dies:
            driver.replace_broker()
        if driver.core.questions():
            driver.pass_time(5)  # an operator's password may have to wait
        if not driver.asked:
            break
        kind = driver.asked.pop()[3]
        answers = ANSWERS.get(kind, PAST)
        driver.feed(("answer", ana.id, answers[answer % len(answers)]))
    return [person.heard() for person in driver.people]


@pytest.mark.parametrize("kind", ["newcomer", "member", "operator"])
@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_answered_under_its_label_once(name: str, kind: str) -> None:
    """With no other words for anybody, and in the same order."""
    for place, parameters in enumerate(PARAMETERS):
        line = f"{name} {parameters}".rstrip()
        told, *others = said(*scene(kind), f"@label=x {line}", place, dies=place % 2 == 1)
        as_ever, *others_as_ever = said(*scene(kind), line, place)

        answer_of(told, "x")
        assert without_labels(told) == as_ever, line
        assert others == others_as_ever


COMMON = [
    *("PING x", "PONG x", "JOIN #a,#b", "PART #b", "PRIVMSG #a :hola", "PRIVMSG ana :yo", "PRIVMSG beto,ana,x :eh"),
    *("NICK ana", "NICK Ana2", "WHO *", "LIST", "NAMES #a", "MODE #a +m", "TOPIC #a :x", "KICK #lobby eva"),
    *("KILL beto :x", "CHATHISTORY LATEST #a * 5", "SEARCH in=#a", "WALLOPS :x", "REHASH", "nonsense", "TAGMSG ana"),
    *("CAP REQ :-batch", "CAP REQ :batch", "CAP REQ :-echo-message", "NOTICE ana,ana2 :x", "OPER root x"),
]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(COMMON), st.integers(0, 2), st.booleans()), max_size=8))
def test_whatever_is_asked_one_after_the_other(lines: list[tuple[str, int, bool]]) -> None:
    labelled, plain = scene(answer_bytes=100), scene(answer_bytes=100)
    has_labels, ana = True, labelled[1]
    for number, (line, answer, dies) in enumerate(lines):
        told, *others = said(*labelled, f"@label={number} {line}", answer, dies)
        as_ever, *others_as_ever = said(*plain, line, answer)
        if has_labels:
            answer_of(told, str(number))
        assert without_labels(told) == as_ever
        assert others == others_as_ever
        has_labels = {"CAP REQ :-batch": False, "CAP REQ :batch": True}.get(line, has_labels) and not ana.closed
    again = Core()
    for block in labelled[0].journal:
        again.apply(block)
    assert again.dump() == labelled[0].core.dump()


# What an answer looks like


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("PING x", [f"@label=1 {S}PONG mpchat.local :x"]),
        ("PONG x", [f"@label=1 {S}ACK"]),
        ("TOPIC #a :x", [f"@label=1 {ANA}TOPIC #a :x"]),
        ("NICK Ana", [f"@label=1 {ANA}NICK Ana"]),
        ("JOIN #b", [
            f"@label=1 {S}BATCH +label labeled-response",
            f"@batch=label {ANA}JOIN #b",
            f"@batch=label {S}353 ana = #b :@ana",
            f"@batch=label {S}366 ana #b :End of /NAMES list",
            f"{S}BATCH -label",
        ]),
        ("PRIVMSG #a :hola", [f"@label=1 {ANA}PRIVMSG #a :hola"]),
        ("PRIVMSG nobody :hola", [f"@label=1 {S}401 ana nobody :No such nick/channel"]),
        ("PRIVMSG ana :hola", [f"{ANA}PRIVMSG ana :hola", f"@label=1 {ANA}PRIVMSG ana :hola"]),
        ("QUIT", ["@label=1 ERROR :Closing link: 127.0.0.1 (Client quit)"]),
        ("", [f"@label=1 {S}ACK"]),
    ],
)  # fmt: skip
def test_an_answer(line: str, answer: list[str]) -> None:
    driver = Driver()
    ana = driver.irc("ana", caps=f"{LABELS} echo-message")
    ana.send("JOIN #a")

    assert ana.send(f"@label=1 {line}") == answer


def test_who_wants_no_echo_is_told_that_it_was_said() -> None:
    ana = Driver().irc("ana", caps=LABELS)
    ana.heard()
    assert ana.send("@label=1 JOIN #a")[0] == f"@label=1 {S}BATCH +label labeled-response"

    assert ana.send("@label=2 PRIVMSG #a :hola") == [f"@label=2 {S}ACK"]
    assert ana.send("@label=3 PRIVMSG ana :yo") == [f"{ANA}PRIVMSG ana :yo", f"@label=3 {S}ACK"]


def test_the_time_stands_behind_it() -> None:
    driver = Driver()
    ana = driver.irc("ana", caps=f"{LABELS} server-time")
    ana.heard()

    time = "time=2023-11-14T22:13:20.123Z"
    assert ana.send("@label=1 PONG x", "@label=2 AWAY") == [
        f"@label=1;{time} {S}ACK",
        f"@label=2;{time} {S}305 ana :You are no longer marked as being away",
    ]
    first, *middle, last = ana.send("@label=1 JOIN #a")
    assert first == f"@label=1;{time} {S}BATCH +label labeled-response"
    assert last == f"@{time} {S}BATCH -label"
    assert all(line.startswith(f"@batch=label;{time} :") for line in middle)


@pytest.mark.parametrize(
    "label",
    ["x", "x" * 64, "ñ" * 32, r"a\:b\sc\\d\r\n", "=", "\x07"],
    ids=["x", "64 bytes", "not ASCII", "escaped", "an equals sign", "no text"],
)
def test_a_label_comes_back_as_it_was_sent(label: str) -> None:
    ana = Driver().irc("ana", caps=LABELS)

    assert ana.send(f"@+a=b;label={label} PING x") == [f"@label={label} {S}PONG mpchat.local :x"]


@pytest.mark.parametrize(
    "tags",
    ["label", "label=", "label=" + "x" * 65, "label=" + "ñ" * 33, "+label=x", "label=x;label=", "labels=x"],
    ids=["no value", "an empty one", "65 bytes", "66 bytes", "a client's own", "the last one counts", "another tag"],
)
def test_what_is_no_label_is_nothing(tags: str) -> None:
    ana = Driver().irc("ana", caps=LABELS)

    assert ana.send(f"@{tags} PING x") == [f"{S}PONG mpchat.local :x"]


@pytest.mark.parametrize("caps", ["labeled-response", "batch", "message-tags"])
def test_who_has_not_asked_for_labels_and_batches_gets_none(caps: str) -> None:
    ana = Driver().irc("ana", caps=caps)

    assert ana.send("@label=1 PING x", b"@label=\xff PING x") == [
        f"{S}PONG mpchat.local :x",
        f"{S}NOTICE ana :Refused: not UTF-8 text",
    ]


def test_a_label_counts_for_the_line_as_its_client_was_when_it_sent_it() -> None:
    ana = Driver().connect()

    assert ana.send(f"@label=1 CAP REQ :{LABELS}", "@label=2 CAP REQ :-batch", "@label=3 CAP LIST") == [
        f"{S}CAP * ACK :{LABELS}",
        f"@label=2 {S}CAP * ACK :-batch",
        f"{S}CAP * LIST :labeled-response",
    ]


def test_a_line_that_is_no_text_is_refused_under_its_label() -> None:
    ana = Driver().irc("ana", caps=f"{LABELS} standard-replies")

    lines = b"@label=1 PRIVMSG #a :\xff", b"@label=2 \xff", b"@label=\xff PING x", b"@label=3 PING " + b"x" * 600
    assert ana.send(*lines) == [
        f"@label=1 {S}FAIL PRIVMSG INVALID_UTF8 :Refused: not UTF-8 text",
        f"@label=2 {S}FAIL * INVALID_UTF8 :Refused: not UTF-8 text",
        f"{S}FAIL PING INVALID_UTF8 :Refused: not UTF-8 text",
        f"@label=3 {S}417 ana :Input line was too long",
    ]


def test_a_server_of_before_offers_none() -> None:
    ana = Driver(ChatSettings(level=3)).connect()

    (offered,) = ana.send("CAP LS 302")
    assert "labeled-response" not in offered
    assert "standard-replies" not in offered
    assert "UTF8ONLY" not in " ".join(ana.send("NICK ana", "USER a 0 * :a", "CAP END"))


# Others, and what comes meanwhile


def test_nobody_else_reads_a_label() -> None:
    driver = Driver()
    caps = f"{LABELS} echo-message message-tags"
    ana, beto = driver.irc("ana", caps=caps), driver.irc("beto", caps=caps)
    for person in (ana, beto):
        person.send("JOIN #a")
    ana.heard()
    ana.send("@label=1;+a=b PRIVMSG #a :hola", "@label=2 TOPIC #a :x", "@label=3 NICK Ana", "@label=4 TAGMSG #a,beto")

    told = beto.heard()
    assert len(told) == 5
    assert not any("label" in line or "batch" in line for line in told)


def test_what_others_do_in_consequence_is_no_part_of_the_answer() -> None:
    driver, ana = scene("operator")

    assert [parts(line)[1][0] for line in ana.send("@label=1 KILL beto :x")] == ["QUIT", "ACK"]

    for room, address in (("#a", "192.0.2.1"), ("#elsewhere", "192.0.2.2")):
        carla = driver.connect(host=address)
        carla.send("NICK carla", "USER carla 0 * :C", f"JOIN {room}")
        ana.heard()
        told = ana.send(f"@label=2 DLINE {address} :x")
        if room == "#a":
            assert [parts(line)[1][0] for line in told] == ["BATCH", "NOTICE", "QUIT", "BATCH"]
            assert [parts(line)[0].get("batch") for line in told] == [None, "label", None, None]
        else:
            assert [parts(line)[1][0] for line in told] == ["NOTICE"]
            assert parts(told[0])[0]["label"] == "2"


@pytest.mark.parametrize("dies", [False, True])
def test_what_comes_while_an_answer_is_awaited_has_no_label(dies: bool) -> None:
    driver, ana = scene()
    beto = driver.people[1]

    assert ana.send("@label=1 OPER root x", "@label=2 PING x") == []
    beto.send("PRIVMSG #a :meanwhile")
    assert ["label" in parts(line)[0] for line in ana.heard()] == [False]
    if dies:
        driver.replace_broker()
    driver.pass_time(5)
    driver.answer(True)
    told = ana.heard()
    assert [parts(line)[0].get("label") for line in told] == ["1", None, None, None, "2"]


def test_a_past_is_one_batch_which_has_the_label_itself() -> None:
    driver, ana = scene()
    ana.send("@label=1 CHATHISTORY LATEST #a * 5")
    driver.answer([ROW])

    first, row, last = ana.heard()
    assert first.startswith("@label=1;time=")
    assert first.endswith(f" {S}BATCH +history chathistory #a")
    assert row.startswith("@batch=history;time=")
    assert last.endswith(f" {S}BATCH -history")


@pytest.mark.parametrize("dies", [False, True])
def test_an_answer_that_waits_for_its_client_is_one_batch(dies: bool) -> None:
    driver, ana = scene(answer_bytes=200, channels_per_client=100)
    beto = driver.people[1]
    beto.send(*[f"JOIN #room{number}" for number in range(40)])
    driver.everybody_reads = False
    told = ana.send("@label=1 LIST", "@label=2 PING x")
    pieces = 0
    while driver.workers[ana.worker].drains:
        pieces += 1
        beto.send(f"PRIVMSG #a :{pieces}")
        if dies:
            driver.replace_broker()
        driver.drained(ana)
        told += ana.heard()

    assert pieces > 5
    first, pong = told[0], told.pop()
    assert parts(first)[0]["label"] == "1"
    assert parts(pong)[0]["label"] == "2"
    answer = answer_of(told, "1")
    assert [parts(line)[1][0] for line in answer] == ["322"] * 42 + ["323"]
    assert sum("PRIVMSG" in line for line in told) == pieces, "which is in no batch"


@pytest.mark.parametrize("reason", ["Connection closed", "Connection reset"])
def test_who_leaves_meanwhile_leaves_no_batch_open(reason: str) -> None:
    driver, ana = scene(answer_bytes=200)
    driver.people[1].send(*[f"JOIN #room{number}" for number in range(9)])
    driver.everybody_reads = False
    ana.send("@label=1 LIST", "@label=2 PING x")
    ana.gone(reason)

    lines = [line.removesuffix("\r") for line in ana.output.decode().split("\n")[:-1]]
    begun = [parts(line)[1][1] for line in lines if parts(line)[1][0] == "BATCH"]
    assert begun[-2:] == ["+label", "-label"]
    assert parts(lines[-2])[0]["label"] == "2"


def test_a_question_that_is_given_up_takes_its_label_with_it() -> None:
    """Of two who guess an operator's password from one address the second waits, and what it sent behind that too."""
    driver, ana = scene()
    driver.people[1].send("OPER root x")
    ana.send("@label=1 OPER root x", "PING x")
    ana.gone()

    assert [parts(line)[0].get("label") for line in ana.heard()] == [None, None]
    assert ana.closed


@pytest.mark.parametrize(
    ("caps", "answer"),
    [("", f"{S}NOTICE ana :REHASH: wrong"), ("standard-replies", f"{S}FAIL REHASH CONFIG_BAD :wrong")],
)
def test_a_rehash_that_fails(caps: str, answer: str) -> None:
    driver = Driver(ChatSettings(opers_exist=True))
    ana = driver.irc("ana", caps=caps)
    ana.send("OPER root x")
    driver.answer(True)
    ana.heard()
    ana.send("REHASH")
    driver.answer((False, "wrong"))

    assert ana.heard() == [answer]
