"""protocol/redaction: no password is in a record, however its line was written."""

import time
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpchat.protocol.irc.table import COMMANDS
from mpchat.protocol.message import parse
from mpchat.protocol.redaction import Redaction
from mpchat.settings import ChatSettings
from tests.core.driver import Driver

SECRET = "5up3r-ſecret"


class Anybody:
    """Operators' names: each name is one."""

    def __contains__(self, name: object) -> bool:
        return True


hidden = st.text(st.sampled_from("\x00\x07\x0b\x1b\x7f\x85\u202e\u202e"), max_size=2)  # what clean() takes away
spaces = st.text(st.sampled_from(" \t"), min_size=1, max_size=3)
word = st.text(st.characters(codec="utf-8", exclude_characters=" \t\r\n", exclude_categories=["Cc"]), max_size=8)


def spelled(command: str) -> st.SearchStrategy[str]:
    """A command in any case, with bytes that nobody sees between its letters."""
    letters = [st.tuples(hidden, st.sampled_from([letter, letter.lower()])) for letter in command]
    return st.tuples(*letters).map(lambda pairs: "".join(before + letter for before, letter in pairs))


before = st.tuples(
    st.one_of(st.just(""), st.tuples(st.just("@"), word, spaces).map("".join)),
    st.one_of(st.just(""), st.tuples(st.just(":"), word, spaces).map("".join)),
).map("".join)
services = st.sampled_from(["NickServ", "chanserv", "HISTORY", "N1ck\u0455erv", "beto,nickserv", "ChanServ@services.x"])
irc_command = st.one_of(
    spelled("PASS"),
    spelled("NS"),
    st.tuples(spelled("OPER"), spaces, word.filter(str.isalnum)).map("".join),
    st.tuples(st.one_of(map(spelled, ("PRIVMSG", "NOTICE", "SQUERY"))), spaces, services).map("".join),
).flatmap(lambda head: st.tuples(st.just(head), spaces, st.sampled_from(["", ":"])).map("".join))


odd = st.text(st.sampled_from("\t\x1b\x00\x9b\u202e\x02\ufffd  :@é\u00a0\u3000\x0b\r;=a"), max_size=3)
anything = st.tuples(
    odd,
    st.one_of(st.just(""), st.tuples(st.just("@"), odd, st.just(" ")).map("".join)),
    st.one_of(st.just(""), st.tuples(st.just(":"), odd, st.just(" ")).map("".join)),
    st.sampled_from(["PASS", "pass", "OPER", "oPeR", "RESUME", "Resume"]),
    st.one_of(st.sampled_from([" ", "  ", "\t"]), st.tuples(odd, st.just(" ")).map("".join)),
    st.one_of(st.sampled_from(["", "root ", "root  :", ":"]), st.tuples(odd, st.just(" ")).map("".join)),
    st.just(SECRET),
    odd,
).map("".join)


@settings(max_examples=1000)
@given(text=anything, cuts=st.lists(st.integers(1, 30), max_size=4))
@example(text=f"@a\tb PASS {SECRET}", cuts=[])
@example(text=f"OPER \x1b {SECRET}", cuts=[6, 7])
@example(text=f"RESUME * {SECRET}", cuts=[9, 12])
def test_whatever_the_dialect_takes_for_a_secret_is_withheld(text: str, cuts: list[int]) -> None:
    """In one piece, and in several."""
    message = parse(text.removesuffix("\r"))
    secrets = message.params[{"PASS": 0, "RESUME": 0, "OPER": 1}.get(message.command, len(message.params)) :]
    if not any(SECRET in secret for secret in secrets) or not all(message.params[:2]):
        return
    data = text.encode()
    for places in ([0, len(data)], [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]):
        redaction = Redaction(Anybody())
        redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
        shown = b""
        for start, end in pairwise(places):
            is_last = end == len(data)
            shown += redaction.take(("line" if is_last else "part", 7, end + is_last, data[start:end]))[3]
        assert SECRET[:4].encode() not in shown
        assert shown.endswith(b"*")
        assert (SECRET in redaction.secret(7, len(data) + 1)) == (message.command != "RESUME")
        assert parse(shown.decode()).command == message.command, "and it is still what it was"


@given(lead=st.one_of(st.just(""), spaces, hidden), before=before, command=irc_command)
def test_no_secret_survives_whatever_stands_before_it(lead: str, before: str, command: str) -> None:
    redaction = Redaction(Anybody())
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))

    record = redaction.take(("line", 7, 99, (lead + before + command + SECRET).encode()))

    assert SECRET.encode() not in record[3]
    assert record[:3] == ("line", 7, 99)
    assert record[3].endswith(b"*")
    assert SECRET in redaction.secret(7, 99)  # a tab in front of its colon belongs to it


@given(lead=st.text(st.sampled_from(" \t\u00a0\u3000\x1f\x1b\u202e"), max_size=3), command=spelled("/PASS"), gap=spaces)
def test_nor_in_plain_text(lead: str, command: str, gap: str) -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "plain", "127.0.0.1"))

    record = redaction.take(("line", 7, 99, (lead + command + gap + SECRET).encode()))

    assert record == ("line", 7, 99, record[3].rpartition(b" ")[0] + b" *")
    assert SECRET.encode() not in record[3]
    assert redaction.secret(7, 99) == SECRET


@pytest.mark.parametrize(
    "line",
    [
        "PASS me the salt",
        "pass me the salt",
        "oper ana secret",
        ":x PASS me the salt",
        "//pass me the salt",
        "say /pass me the salt",
        "/join #a key",  # a room's key is shown to all its members
        "/mode +k key",
        "hello",
        "",
    ],
)
def test_what_a_plain_user_says_is_not_touched(line: str) -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "plain", "127.0.0.1"))

    assert redaction.take(("line", 7, 20, line.encode())) == ("line", 7, 20, line.encode())
    assert redaction.secret(7, 20) == ""


@pytest.mark.parametrize("before", [b"", b"\xff\xfb\x18", b"\xff\xfa\x1f\x00P\x00\x18\xff\xf0"])
def test_a_user_who_takes_the_irc_port_for_the_other_is_protected_too(before: bytes) -> None:
    """Telnet's program speaks before its user types."""
    redaction = Redaction()
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))

    assert b"secret" not in redaction.take(("line", 7, 60, before + b"/pass secret"))[3]


@pytest.mark.parametrize(
    "line",
    [
        "PRIVMSG #a :PASS word",
        "PRIVMSG #NickServ :x",
        "NOTICE beto :NickServ",
        "PRIVMSG NickServ :",
        "PASS",
        "PASS ",
        "OPER",
        "OPER ",
        "GET /secret HTTP/1.1",  # which is refused for what it is
        "PASSWORD",
        ":x LOGIN ",
        "NICK pass",
        "JOIN #a key",
        "MODE #a +k key",
        "",
    ],
)
def test_nor_what_holds_no_secret_in_irc(line: str) -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))

    assert redaction.take(("line", 7, 20, line.encode())) == ("line", 7, 20, line.encode())


@pytest.mark.parametrize(
    ("line", "seen", "secret"),
    [
        ("PASS secret", "PASS *", "secret"),
        ("PASS :two words ", "PASS :*", "two words"),
        ("OPER root secret", "OPER root *", "secret"),
        ("oper root :secret", "oper root *", "secret"),
        ("@t=1;u=2 :ana  PASS secret", "@t=1;u=2 :ana  PASS *", "secret"),
        ("PRIVMSG ChanServ :identify secret ", "PRIVMSG ChanServ :*", "identify secret"),
        ("PRIVMSG NickServ :identify secret ", "PRIVMSG NickServ :IDENTIFY *", "secret"),
        ("PRIVMSG NickServ :identify ana two words ", "PRIVMSG NickServ :IDENTIFY ana *", "two words"),
        ("PRIVMSG nickserv@services.x :ghost Ana secret", "PRIVMSG nickserv@services.x :GHOST Ana *", "secret"),
        ("PRIVMSG NickServ :REGISTER secret me@mail.example", "PRIVMSG NickServ :REGISTER *", "secret"),
        ("NS IDENTIFY secret", "NS IDENTIFY *", "secret"),
        ("NS set Password secret", "NS SET PASSWORD *", "secret"),
        ("NICKSERV :SET PASSWORD two words", "NICKSERV :SET PASSWORD *", "two words"),
        ("PRIVMSG NickServ :DROP ana secret", "PRIVMSG NickServ :DROP ana *", "secret"),
        ("NS DROP Ana two words", "NS DROP Ana *", "two words"),
        ("AUTHENTICATE c2VjcmV0", "AUTHENTICATE +*", "c2VjcmV0"),
        ("authenticate +", "authenticate +*", "+"),
        ("REGISTER * * secret", "REGISTER * * *", "secret"),
        ("REGISTER ana me@mail.example :two words", "REGISTER ana * *", "two words"),
        (":beto REGISTER  ana * :secret ", ":beto REGISTER  ana * *", "secret"),
        ("REGISTER beto * secret", "REGISTER ? * *", "secret"),
        ("@t=1 :ana  notice beto,chanserv  secret", "@t=1 :ana  notice beto,chanserv  *", "secret"),
        ("NickServ identify secret", "NickServ IDENTIFY *", "secret"),
        ("/msg NickServ identify secret", "/msg *", "NickServ identify secret"),
        ("/pass secret", "/pass *", "secret"),  # typed into the wrong dialect
    ],
)
def test_the_rest_of_the_line_stays(line: str, seen: str, secret: str) -> None:
    redaction = Redaction({"root"}, {"ana", "Ana"}.__contains__)
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))

    assert redaction.take(("line", 7, 20, line.encode())) == ("line", 7, 20, seen.encode())
    assert redaction.secret(7, 20) == secret


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("OPER secret", "OPER *"),
        ("OPER secret ", "OPER *"),
        ("OPER secret root", "OPER * *"),
        ("OPER Root secret", "OPER * *"),
        ("OPER :secret root", "OPER :* *"),
        ("OPER ro\tot secret", "OPER * *"),
        ("OPER\tsecret\troot", "OPER * *"),
        ("OPERR root secret", "OPERR *"),
        ("OP root secret", "OP *"),
        ("PASSWORD secret", "PASSWORD *"),
        ("QUOTE OPER root secret", "QUOTE *"),
        ("/oper root secret", "/oper root *"),
        ("/quote oper root secret", "/quote *"),
        ("/raw :oper root secret", "/raw *"),
        ("AUTHENTICATE secret", "AUTHENTICATE +*"),
        (f"AUTHENTICATE {'secret' * 70}", "AUTHENTICATE ++*"),
        ("AUTHENTICATE EXTERNAL", "AUTHENTICATE +*"),
        ("REGISTER secret", "REGISTER *"),
        ("REGISTER secret me@mail.example", "REGISTER *"),
        ("REGISTER secret beto secret", "REGISTER ? ? *"),
        ("REGISTER sec?ret * secret", "REGISTER ? * *"),
        ("REGISTER secret * secret", "REGISTER ? * *"),
        ("REGISTER secret me@mail.example beto", "REGISTER ? * *"),
        ("NS REGISTER secret is long", "NS REGISTER * *"),
        ("NS REGISTER ana secret", "NS REGISTER * *"),
        ("NS REGISTER secret me@mail.example secret", "NS REGISTER * *"),
        ("REGISTER :secret secret secret", "REGISTER *"),
        ("REGISTER\tsecret\tx\tsecret", "REGISTER ? ? *"),
        ("VERIFY beto secret", "VERIFY *"),
        (":register secret * secret", ":register *"),
        (":ns identify secret", ":ns *"),
        ("NS secret", "NS *"),
        ("NS IDENTIFY secret ana", "NS IDENTIFY * *"),
        ("NS IDENTFY ana secret", "NS *"),
        ("NS GHOST secret", "NS GHOST *"),
        ("NS INFO secret", "NS INFO *"),
        ("NS SET secret", "NS SET *"),
        ("NS SET PASSWORD secret secret", "NS SET PASSWORD *"),
        ("NS SET PASSWORD", "NS SET *"),
        ("NS DROP secret", "NS DROP *"),
        ("NS DROP secret ana", "NS DROP * *"),
        ("NS LOGOUT secret", "NS LOGOUT"),
        ("NS HELP secret", "NS HELP"),
        ("PRIVMSG NickServ,beto :identify secret", "PRIVMSG NickServ,beto :*"),
        ("PRIVMSG N1ckserv :identify secret", "PRIVMSG N1ckserv :*"),
        ("@a=b :ana LOGIN ana secret", "@a=b :ana LOGIN *"),
        (":oper secret root", ":oper *"),
        (":ana :login secret", ":ana :login *"),
        ("LOGIN\tana\u00a0secret", "LOGIN\t*"),
        ("NSA secret", "NSA *"),
        ("héllo secret", "héllo *"),
    ],
)
def test_a_secret_behind_a_slip_of_the_keys_is_withheld_too(line: str, seen: str) -> None:
    """The name of an operator is known. Any other word may be a password, where OPER's words are swapped or missing."""
    redaction = Redaction({"root"})
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))

    assert redaction.take(("line", 7, 40, line.encode()))[3].decode() == seen


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("/oper root secret", "/oper *"),
        ("/OPER secret", "/OPER *"),
        ("/operr root secret", "/operr *"),
        ("/ oper root secret", "/ *"),
        ("/quote oper root secret", "/quote *"),
        ("/identify secret", "/identify *"),
        ("/query NickServ identify secret", "/query *"),
        ("/msg NickServ  identify secret", "/msg NickServ  *"),
        ("/oper\u00a0root secret", "/oper\u00a0*"),
        ("/register secret", "/register *"),
        ("/register secret secret", "/register * *"),
        ("/login secret", "/login *"),
        ("/password secret", "/password *"),
        ("/password secret secret", "/password * *"),
        ("/DROP secret and more", "/DROP *"),
        ("/LOGIN ana secret and more", "/LOGIN ana *"),
        ("/login secret ana", "/login * *"),
    ],
)
def test_so_it_is_in_plain_text(line: str, seen: str) -> None:
    redaction = Redaction({"root"}, {"ana"}.__contains__)
    redaction.take(("open", 0, 7, "plain", "127.0.0.1"))

    assert redaction.take(("line", 7, 40, line.encode()))[3].decode() == seen


@pytest.mark.parametrize("line", ["AUTHENTICATE PLAIN", "AUTHENTICATE scram-sha-256", "AUTHENTICATE *"])
def test_what_begins_or_ends_an_exchange_is_no_secret(line: str) -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))

    assert redaction.take(("line", 7, 40, line.encode()))[3].decode() == line


@pytest.mark.parametrize(
    ("pieces", "seen"),
    [
        ((b"AUTHENTICATE PLA", b"IN"), b"AUTHENTICATE PLAIN"),
        ((b"AUTHENTICATE PLAIN", b"c2VjcmV0"), b"AUTHENTICATE PLAIN+*"),
        ((b"AUTHENTICATE *", b"c2VjcmV0"), b"AUTHENTICATE *"),
        ((b"AUTHENTICATE c2Vj", b"cmV0"), b"AUTHENTICATE +*"),
        ((b"NS IDENT", b"IFY ana se", b"cret"), b"NS IDENTIFY ana *"),
        ((b"REGISTER ana * se", b"cret"), b"REGISTER ana * *"),
        ((b"REGISTER sec", b"ret"), b"REGISTER *"),
    ],
)
def test_of_what_comes_in_pieces_no_more_is_seen(pieces: tuple[bytes, ...], seen: bytes) -> None:
    """Twice, too: a worker's successor forwards all of it again, and so does one to another broker."""
    redaction = Redaction((), {"ana"}.__contains__)
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
    came, shown = 0, b""
    for number, piece in enumerate(pieces, 1):
        is_last = number == len(pieces)
        came += len(piece) + is_last
        record = redaction.take(("line" if is_last else "part", 7, came, piece))
        shown += record[3]
        if not is_last:
            again = redaction.take(("part", 7, came, b"".join(pieces[:number])))
            assert again[3] == b""
    assert shown == seen
    assert b"cret" not in shown

    other = Redaction((), {"ana"}.__contains__)
    begun = bytes(pieces[0][:12]) if b"AUTH" in pieces[0] else b"NS " if b"NS" in pieces[0] else b"REGISTER "
    other.resume(7, "irc", len(begun), begun)
    rest = b"".join(pieces)[len(begun) :]
    assert b"cret" not in other.take(("line", 7, came, rest))[3]


def test_whoever_names_no_operator_has_no_password() -> None:
    redaction = Redaction({"root"})
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
    for end, line in ((30, b"OPER beto secret"), (60, b"OPER root secret")):
        redaction.take(("line", 7, end, line))

    assert (redaction.secret(7, 30), redaction.secret(7, 60)) == ("", "secret")


def test_each_command_is_known_to_be_one() -> None:
    for name in COMMANDS:
        redaction = Redaction()
        redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
        line = f"{name} #a".encode()
        if name not in ("PASS", "OPER", "RESUME", "AUTHENTICATE", "REGISTER", "VERIFY", "NICKSERV", "NS"):
            assert redaction.take(("line", 7, 40, line)) == ("line", 7, 40, line)


@given(
    line=st.sampled_from(
        [
            f"PASS {SECRET}",
            f"@a=b :me  oper  root {SECRET}",
            f"/pass {SECRET}",
            f"@a=b PRIVMSG beto,NickServ :{SECRET}",
            f"PRIVMSG NickServ :{SECRET}",
            f"/identify  {SECRET}",
        ]
    ),
    cuts=st.lists(st.integers(1, 40), max_size=5),
    plain=st.booleans(),
)
def test_a_secret_that_comes_in_pieces_is_withheld_too(line: str, cuts: list[int], plain: bool) -> None:
    """A line's beginning is forwarded before its end has come: nothing that is shown may be part of the secret."""
    plain = plain and line.startswith("/pass")
    redaction = Redaction({"root"})
    redaction.take(("open", 0, 7, "plain" if plain else "irc", "127.0.0.1"))
    data = line.encode()
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]

    shown = b""
    for start, end in pairwise(places):
        is_last = end == len(data)
        record = redaction.take(("line" if is_last else "part", 7, end + is_last, data[start:end]))
        shown += record[3]

    assert shown == data.removesuffix(SECRET.encode()) + b"*"
    assert redaction.secret(7, len(data) + 1) == SECRET
    assert redaction.take(("line", 7, 99, b"NICK ana")) == ("line", 7, 99, b"NICK ana"), "the next line is another"


@given(
    target=st.one_of(services, st.sampled_from(["#a", "beto", "#a,#b", ":#a", "", "#a,NickServ", "b\udcffto"]), odd),
    gap=st.sampled_from([" ", "  ", "\t", " :", ""]),
)
def test_the_short_way_of_a_message_is_that_of_all_lines(target: str, gap: str) -> None:
    data = f"PRIVMSG {target}{gap}{SECRET}\r".encode(errors="surrogateescape")
    opened = ("open", 0, 7, "irc", "127.0.0.1")
    one, other = Redaction(), Redaction()
    line = ("line", 7, len(data) + 1, data)

    assert one.take_block([opened, line]) == [other.take(opened), other.take(line)]


@given(
    line=st.sampled_from([f"PASS {SECRET}", f"oper root {SECRET}", "NICK ana"]),
    cut=st.integers(1, 14),
    first=st.integers(1, 14),
)
def test_a_block_that_has_not_happened_leaves_no_trace(line: str, cut: int, first: int) -> None:
    """The worker died while it waited, and its successor divides the same bytes otherwise."""
    data = line.encode()
    whole = [("open", 0, 7, "irc", "127.0.0.1"), ("line", 7, len(data) + 1, data)]
    divided = [whole[0], ("part", 7, first, data[:first]), ("line", 7, len(data) + 1, data[first:])]
    redaction = Redaction({"root"})
    redaction.take_block([whole[0], ("part", 7, cut, data[:cut])])
    redaction.undo()

    assert redaction.take_block(divided) == Redaction({"root"}).take_block(divided)
    redaction.undo()
    assert redaction.take_block(whole) == Redaction({"root"}).take_block(whole)
    assert redaction.secret(7, len(data) + 1) == (SECRET if SECRET in line else "")


def test_a_block_that_has_not_happened_forgets_none_of_those_before_it() -> None:
    redaction = Redaction()
    redaction.take_block([("open", 0, 7, "irc", "127.0.0.1"), ("part", 7, 5, b"PASS ")])
    again = [("open", 0, 7, "irc", "127.0.0.1"), ("line", 7, 12, b"secret")]
    redaction.take_block(again)
    redaction.undo()

    assert redaction.take_block(again) == [again[0], ("line", 7, 12, b"*")]
    assert redaction.secret(7, 12) == "secret"


def test_the_pieces_of_a_line_too_long_are_forgotten() -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
    assert redaction.take(("part", 7, 10, b"PASS secre")) == ("part", 7, 5, b"PASS ")
    assert redaction.take(("overlong", 7, 9000, True)) == ("overlong", 7, 9000, True)

    assert redaction.take(("line", 7, 9010, b"t-is-out")) == ("line", 7, 9010, b"t-is-out")


def test_the_pieces_of_others_are_others() -> None:
    redaction = Redaction()
    for connection in (7, 8):
        redaction.take(("open", 0, connection, "irc", "127.0.0.1"))
        redaction.take(("part", connection, 10, b"PASS "))
    redaction.closed(7)

    assert redaction.take(("line", 7, 20, b"hello")) == ("line", 7, 20, b"hello")
    assert redaction.take(("line", 8, 20, b"hello")) == ("line", 8, 20, b"*")


def test_a_secret_that_is_not_text_is_withheld_too() -> None:
    assert Redaction().take(("line", 7, 20, b"PASS \xff\xfe")) == ("line", 7, 20, b"PASS *")


def test_a_line_of_a_plain_connection_that_was_just_closed_is_withheld_too() -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "plain", "127.0.0.1"))
    redaction.closed(7)

    assert redaction.take(("line", 7, 20, b"/pass secret")) == ("line", 7, 20, b"/pass *")


def test_a_secret_is_kept_until_its_line_has_been_dealt_with() -> None:
    redaction = Redaction()
    places = [(7, 20), (7, 30), (8, 30)]
    for connection in (7, 8):
        redaction.take(("open", 0, connection, "irc", "127.0.0.1"))
    for (connection, end), word in zip(places, (b"one", b"two", b"three"), strict=True):
        redaction.take(("line", connection, end, b"PASS " + word))

    redaction.commit({7: 20, 8: 0}.__getitem__)
    assert [redaction.secret(*place) for place in places] == ["", "two", "three"]
    redaction.closed(7)
    assert [redaction.secret(*place) for place in places] == ["", "", "three"]
    redaction.commit({8: 30}.__getitem__)
    assert redaction.secret(8, 30) == ""
    redaction.take(("line", 7, 40, b"PASS four"))
    assert redaction.secret(7, 40) == "", "of a connection that has closed none is kept"


def test_other_records_pass_as_they_are() -> None:
    redaction = Redaction()

    for record in (("clock", 1, 2), ("open", 0, 7, "irc", "PASS secret"), ("gone", 7, "PASS secret")):
        assert redaction.take(record) == record


def test_a_message_in_pieces_passes_as_it_is() -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
    pieces: list[tuple[str, int, int, bytes]] = [("part", 7, 4, b"PRIV"), ("line", 7, 30, b"MSG #a :/pass me the salt")]
    assert [redaction.take(piece) for piece in pieces] == pieces


def test_nothing_is_kept_of_a_connection_that_has_closed() -> None:
    redaction = Redaction()
    assert redaction.take(("part", 7, 5, b"PASS ")) == ("part", 7, 5, b"PASS ")
    assert redaction.take(("line", 7, 11, b"hello")) == ("line", 7, 11, b"hello")


# A broker dies, and another one goes on


def begun(*pieces: bytes, plain: bool = False) -> tuple[Redaction, int, bytes]:
    """A line's beginning came in pieces: who withholds it, and how much of it everybody has seen."""
    redaction, end, seen = Redaction(), 0, b""
    redaction.take(("open", 0, 7, "plain" if plain else "irc", "127.0.0.1"))
    accepted = 0
    for piece in pieces:
        end += len(piece)
        record = redaction.take(("part", 7, end, piece))
        if record[2] > accepted:
            accepted, seen = record[2], seen + record[3]
    return redaction, accepted, seen


@pytest.mark.parametrize("pieces", [[b"PASS se"], [b"PA", b"SS ", b"s", b"e"], [b"PASS s", b"ec", b"r"]])
def test_a_secret_that_was_cut_by_a_death_is_known_whole(pieces: list[bytes]) -> None:
    """Its beginning was not accepted, so it comes again."""
    _, accepted, seen = begun(*pieces)
    assert seen == b"PASS "
    assert accepted == 5
    another = Redaction()
    another.resume(7, "irc", accepted, seen)

    assert another.take(("line", 7, 12, b"secret"[accepted - 5 :])) == ("line", 7, 12, b"*")
    assert another.secret(7, 12) == "secret"


def test_what_is_too_long_for_a_password_does_not_wait_but_is_withheld() -> None:
    _, accepted, seen = begun(b"/pass " + b"x" * 3000, b"x" * 3000, plain=True)
    assert seen == b"/pass *"
    assert accepted == 6006
    another = Redaction()
    another.resume(7, "plain", accepted, seen)

    assert another.take(("part", 7, 6010, b"xxxx"))[3] == b""
    assert another.take(("line", 7, 6014, b"xxx"))[3] == b""


def test_another_one_knows_who_speaks_plain_text() -> None:
    another = Redaction()
    another.resume(7, "plain", 0, b"")
    another.resume(8, "irc", 0, b"")

    assert another.take(("line", 7, 20, b"PASS me the salt"))[3] == b"PASS me the salt"
    assert another.take(("line", 8, 20, b"PASS me the salt"))[3] == b"PASS *"


def test_what_comes_twice_shows_nothing_more() -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
    pieces = [("part", 7, 2, b"PA"), ("part", 7, 8, b"SS sec"), ("part", 7, 10, b"re"), ("line", 7, 12, b"t")]
    seen = [redaction.take(piece) for piece in pieces for _ in range(2)]

    accepted, shown = 0, b""
    for _, _, end, data in seen:
        if end > accepted:
            accepted, shown = end, shown + data
    assert shown == b"PASS *"
    assert b"".join(data for *_, data in seen) == shown, "nor in what nobody accepts"
    assert redaction.secret(7, 12) == "secret"


def test_what_waits_may_come_again_with_more() -> None:
    """As it does if a worker dies: the next one begins at what was accepted."""
    redaction, accepted, seen = begun(b"PAS", b"S se")
    assert (accepted, seen) == (5, b"PASS ")
    assert redaction.take(("part", 7, 9, b"secr")) == ("part", 7, 5, b"")

    assert redaction.take(("line", 7, 12, b"secret")) == ("line", 7, 12, b"*")
    assert redaction.secret(7, 12) == "secret"


# In plain text among telnet's commands: the dialect and the filter must read the same lines

telnet = st.sampled_from(
    [
        b"\xff\xfb\x1f",
        b"\xff\xf1",
        b"\xff\xfa\x18\x00xterm\xff\xf0",
        b"\xff\xfa\x1f\x00\n\x00\n\xff\xf0",
        b"\xff\xfd\n",
        b"\xff\xfa\x27/pass x\xff\xff\xff\xf0",
        b"\xff\xff",
        b"\xff",
        b"\xff\xfa",
        b"\xff\xf0",
        b"\x1b",
        b"\xc2\x85",
        b" ",
        b"\r",
        b"\xc2",
    ]
)
noise = st.lists(telnet, max_size=3).map(b"".join)
passed = st.tuples(noise, st.sampled_from([b"/pass", b"/PA\xff\xf1SS", b"pass"]), noise, st.just(b" "), noise).map(
    b"".join
)
lines_said = st.lists(
    st.tuples(passed, noise).map(lambda parts: parts[0] + SECRET.encode() + parts[1]) | noise | st.just(b"ana"),
    min_size=1,
    max_size=3,
)


def records_of(stream: bytes, cuts: list[int]) -> list[tuple[Any, ...]]:
    """As a worker would forward them, where so many bytes came at a time."""
    records: list[tuple[Any, ...]] = []
    start = 0
    places = {place for place in accumulate(cuts) if place < len(stream)}
    for at, byte in enumerate(stream, 1):
        if byte == ord("\n"):
            records.append(("line", 1, at, stream[start : at - 1]))
            start = at
        elif at in places or at == len(stream):
            records.append(("part", 1, at, stream[start:at]))
            start = at
    return records


def asked_for(records: list[tuple[Any, ...]], redaction: Redaction | None) -> tuple[list[int], bytes]:
    """Where the core asked for a password, and all that it was given to read."""
    driver = Driver(ChatSettings(password_needed=True))
    driver.connect(plain=True)
    if redaction is not None:
        redaction.take(("open", 0, 1, "plain", "127.0.0.1"))
    places, read = [], b""
    for record in records:
        if redaction is not None:
            record = redaction.take(record)
        read += record[3]
        driver.feed(record)
        while driver.asked:
            places.append(driver.asked.pop()[2])
            driver.feed(("answer", 1, False))
    return places, read


@settings(max_examples=500)
@given(said=lines_said, cuts=st.lists(st.integers(1, 12), max_size=8))
@example(said=[b"\xff\xfb\x1f/pass " + SECRET.encode()], cuts=[3])
@example(said=[b"\xff\xfb\x1f\xff\xfb\x20/pass " + SECRET.encode()], cuts=[3, 3, 4, 6])
@example(said=[b"\xff\xfa\x1f\x00", b"\x00\xff\xf0/pass " + SECRET.encode()], cuts=[])
@example(said=[b"\xff\xfa\x1f\x00", b"\x00", b"\xff\xf0/pa", b"ss " + SECRET.encode()], cuts=[5, 1])
@example(said=[b"/pass " + SECRET.encode()[:4] + b"\xff\xfa\x1f\x00", b"\xff\xf0" + SECRET.encode()[4:]], cuts=[8])
def test_among_telnet_commands_the_filter_reads_as_the_dialect_does(said: list[bytes], cuts: list[int]) -> None:
    """It asks at the same places, and what it reads there has no password in it; whole lines or pieces of them."""
    records = records_of(b"".join(line + b"\n" for line in said), cuts)
    places, _ = asked_for(records, None)
    redaction = Redaction()

    found, read = asked_for(records, redaction)

    assert set(found) >= set(places), "a password that is no text is asked about too, and is wrong"
    if len(places) == b"".join(said).count(SECRET.encode()):
        assert SECRET.encode() not in read.replace(b"\n", b"")
        assert SECRET[:4].encode() not in read


def test_a_long_line_of_nothing_before_a_secret_is_soon_read() -> None:
    began = time.process_time()
    redaction = Redaction()
    redaction.take(("open", 0, 7, "plain", "127.0.0.1"))
    redaction.take(("part", 7, 3000, b"\xff\xf1" * 1500))

    assert redaction.take(("line", 7, 8013, b"\0" * 5000 + b"/pass secret"))[3].endswith(b"/pass *")

    assert time.process_time() - began < 0.5


def test_another_one_reads_on_in_a_telnet_command() -> None:
    _, accepted, seen = begun(b"\xff\xfa\x1f\x00", plain=True)
    another = Redaction()
    another.resume(7, "plain", accepted + 1, seen + b"\n")

    assert another.take(("line", 7, 21, b"\x00\xff\xf0/pass secret")) == ("line", 7, 21, b"\x00\xff\xf0/pass *")
    assert another.secret(7, 21) == "secret"


TOKENS = "0123456789abcdef" * 2, "fedcba9876543210" * 2
HASHES = " ".join(sha256(token.encode()).hexdigest() for token in TOKENS)


def forwarded(data: bytes, cuts: list[int]) -> bytes:
    """What is shown of a line that comes cut at these places."""
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    redaction = Redaction()
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
    shown = b""
    for start, end in pairwise(places):
        is_last = end == len(data)
        record = redaction.take(("line" if is_last else "part", 7, end + is_last, data[start:end]))
        if not is_last:
            assert b"0123" not in shown + record[3]
            assert b"*" not in record[3], "and nothing is said before all is there"
        shown += record[3]
    assert redaction.secret(7, len(data) + 1) == "", "nothing will be asked about it"
    return shown


@given(cuts=st.lists(st.integers(1, 80), max_size=5), lead=st.sampled_from(["", " ", "@a=b ", ":x ", "\x1b"]))
@example(cuts=list(range(1, 80)), lead="")
def test_resume_tokens_are_shown_by_their_hashes(cuts: list[int], lead: str) -> None:
    shown = forwarded(f"{lead}ReSuMe {' '.join(TOKENS)}\r".encode(), cuts)

    assert parse(shown.decode().lstrip("\x1b")).params == HASHES.split()
    assert not any(token.encode() in shown for token in TOKENS)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (f"* {TOKENS[0]}", f"* {HASHES.split()[0]}"),
        (f":{TOKENS[0]} {TOKENS[1]}", f":{HASHES}"),
        (f"{TOKENS[0]}   {TOKENS[1]} {TOKENS[0]}", HASHES),
        (f"{TOKENS[0]} {TOKENS[1].upper()}", f"{HASHES.split()[0]} *"),
        (f"{TOKENS[0]} {TOKENS[1]}0", f"{HASHES.split()[0]} *"),
        (HASHES, "* *"),  # a hash opens nothing
        ("contraseña x", "* *"),  # of what could be guessed there is not even a hash
        (f"{TOKENS[0]}\t{TOKENS[1]}", HASHES),
    ],
)
def test_what_is_no_token_is_not_shown_at_all(given: str, shown: str) -> None:
    assert forwarded(f"RESUME {given}".encode(), []) == f"RESUME {shown}".encode()


def test_tokens_in_a_line_that_does_not_end() -> None:
    redaction = Redaction()
    redaction.take(("open", 0, 7, "irc", "127.0.0.1"))
    begins = f"RESUME {TOKENS[0]} {TOKENS[1]}".encode() + b" " * 5000

    assert redaction.take(("part", 7, len(begins), begins)) == ("part", 7, len(begins), b"RESUME *")
    assert redaction.take(("line", 7, len(begins) + 2, b"x")) == ("line", 7, len(begins) + 2, b"")
