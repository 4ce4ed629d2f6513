"""What typed lines mean."""

import pytest

from mpchat import texts
from mpchat.client.commands import COMMANDS, execute, needs_server
from mpchat.client.completion import complete
from mpchat.client.model import Model
from mpchat.client.step import Speech


@pytest.fixture
def model() -> Model:
    """Ana in #lobby (current) and #dev, with others."""
    model = Model("ana")
    model.enter("#dev")
    model.enter("#lobby")
    for nick in ("ana", "beto", "Berta", "Carla"):
        model.rooms["#lobby"].members[nick.lower()] = nick
    model.rooms["#dev"].members["zoe"] = "zoe"
    model.preferences.ignore = ["Troll"]
    return model


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("hola", Speech("#lobby", "hola")),
        ("  hola ", Speech("#lobby", "  hola ")),
        ("//help", Speech("#lobby", "/help")),
        (" //help", Speech("#lobby", " //help")),
        ("  /msg beto hola", Speech("beto", "hola")),
        ("/me waves", Speech("#lobby", "waves", action=True)),
        ("/msg beto hola you", Speech("beto", "hola you")),
        ("/M beto hola", Speech("beto", "hola")),
        ("/q beto hola you", Speech("beto", "hola you")),
        ("tab\there", Speech("#lobby", "tab here")),
        ("esc\x1b[2Jape", Speech("#lobby", "esc[2Jape")),
        ("byte \udcff", Speech("#lobby", "byte ?")),
    ],
)
def test_words_are_said(model: Model, typed: str, said: Speech) -> None:
    assert execute(typed, model).say == [said]


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("/nick anita", "NICK :anita"),
        ("/join #new", "JOIN :#new"),
        ("/join new", "JOIN :#new"),
        ("/join #new key", "JOIN #new :key"),
        ("/part", "PART :#lobby"),
        ("/part #dev see you", "PART #dev :see you"),
        ("/part #lobby see you", "PART #lobby :see you"),
        ("/part dev", "PART :#dev"),
        ("/part DEV see you", "PART #DEV :see you"),
        ("/part lobby", "PART :#lobby"),
        ("/who", "WHO :#lobby"),
        ("/who beto", "WHO :beto"),
        ("/names", "NAMES :#lobby"),
        ("/names #dev", "NAMES :#dev"),
        ("/topic", "TOPIC :#lobby"),
        ("/topic good news", "TOPIC #lobby :good news"),
        ("/topic #dev good news", "TOPIC #dev :good news"),
        ("/rooms", "LIST"),
        ("/whois beto", "WHOIS :beto"),
        ("/away", "AWAY"),
        ("/away for lunch", "AWAY :for lunch"),
        ("/op beto", "MODE #lobby +o :beto"),
        ("/deop #dev zoe", "MODE #dev -o :zoe"),
        ("/voice beto", "MODE #lobby +v :beto"),
        ("/devoice beto", "MODE #lobby -v :beto"),
        ("/ban beto", "MODE #lobby +b :beto!*@*"),
        ("/ban #dev *!*@bad.host", "MODE #dev +b :*!*@bad.host"),
        ("/unban beto", "MODE #lobby -b :beto!*@*"),
        ("/kick beto", "KICK #lobby beto :ana"),
        ("/kick #dev beto enough now", "KICK #dev beto :enough now"),
        ("/invite beto", "INVITE beto :#lobby"),
        ("/mode +o beto", "MODE #lobby +o beto"),
        ("/mode", "MODE #lobby"),
        ("/mode +k key", "MODE #lobby +k key"),
        ("/mode +b", "MODE #lobby +b"),
        ("/topic -", "TOPIC #lobby :"),
        ("/topic #dev -", "TOPIC #dev :"),
        ("/kill beto", "KILL beto :ana"),
        ("/kill beto enough now", "KILL beto :enough now"),
        ("  /part", "PART :#lobby"),
        ("/raw VERSION", "VERSION"),
    ],
)
def test_commands_become_irc(model: Model, typed: str, sent: str) -> None:
    assert execute(typed, model).send == [sent]


@pytest.mark.parametrize(
    "typed",
    [
        "/nick",
        "/nick a b",
        "/join",
        "/join #a,#b",
        "/msg",
        "/msg beto",
        "/me",
        "/query #none",
        "/mode +k",
        "/mode +nk",
        "/mode #lobby -n+o",
        "/part nada",
        "/part see you",
        "/kill",
        "/kick",
        "/op",
        "/op beto Berta",
        "/ban",
        "/whois",
        "/raw",
        "/history 0",
        "/history 101",
        "/history yesterday",
        "/history more 0",
        "/history more and more",
        "/last 0",
        "/search",
        "/search #dev",
        "/ignore two people",
        "/ignore #dev",
        "/unignore",
    ],
)
def test_a_command_used_wrongly_tells_how(model: Model, typed: str) -> None:
    step = execute(typed, model)
    assert (step.send, step.say) == ([], [])
    assert step.show[0].text.startswith("how to use it: /")


def test_an_unknown_command_is_never_said_and_guessed_at(model: Model) -> None:
    step = execute("/jion #x", model)
    assert (step.send, step.say) == ([], [])
    assert step.show[0].text == "no such command: /jion (did you mean /join?)"
    assert execute("/xyzzy", model).show[0].text == "no such command: /xyzzy (see /help)"


@pytest.mark.parametrize("typed", ["", "   ", "/me", "/"])
def test_nothing_is_said_for_nothing(model: Model, typed: str) -> None:
    assert execute(typed, model).say == []


def test_join_turns_to_a_room_one_is_in(model: Model) -> None:
    assert execute("/join #DEV", model).send == []
    assert execute("hola", model).say == [Speech("#dev", "hola")]


def test_query_turns_to_a_person_and_back(model: Model) -> None:
    execute("/query beto", model)
    assert execute("hola", model).say == [Speech("beto", "hola")]
    execute("/query", model)
    assert execute("hola", model).say == [Speech("#lobby", "hola")]


def test_query_alone_goes_back_to_the_place_before_and_not_to_the_last_room_entered(model: Model) -> None:
    execute("/query beto", model)
    execute("/join #dev", model)
    for place in ("beto", "#dev", "beto"):
        execute("/query", model)
        assert model.current == place
    model.rename("beto", "bea")
    execute("/join #lobby", model)
    execute("/query", model)
    assert model.current == "bea"


def test_query_turns_to_a_room_one_is_in(model: Model) -> None:
    assert execute("/query #DEV", model).show[0].text == "now talking in #dev"
    execute("/query #lobby hola", model)
    assert model.current == "#lobby"


def test_query_without_any_place_before_ends_a_talk_with_one_person() -> None:
    model = Model("ana")
    execute("/query beto", model)
    assert "/join" in execute("/query", model).show[0].text
    assert model.current == ""


def test_q_never_quits(model: Model) -> None:
    for typed in ("/q", "/q beto", "/q beto hola", "/Q ", "/q #dev bye"):
        assert execute(typed, model).leave is None
    assert execute("/q", model).show[0].text.startswith("did you mean /quit?")


def test_q_with_words_is_msg_and_without_query(model: Model) -> None:
    execute("/q beto hola", model)
    assert model.current == "#lobby"
    execute("/q beto", model)
    assert model.current == "beto"


def test_the_past_of_a_room_can_be_recalled(model: Model) -> None:
    assert execute("/history", model).recall == ("#lobby", 20)
    assert execute("/history 7", model).recall == ("#lobby", 7)
    assert execute("/history #dev 100", model).recall == ("#dev", 100)
    assert execute("/history more", model).older == ("#lobby", 20)
    assert execute("/history #dev more 7", model).older == ("#dev", 7)
    assert execute("/search  two words", model).search == ("#lobby", "two words")
    assert execute("/search #dev two words", model).search == ("#dev", "two words")


@pytest.mark.parametrize("typed", ["/search #nada hola", "/history #nada", "/history #nada more 3"])
def test_the_past_of_a_room_one_is_not_in_is_not_asked_for(model: Model, typed: str) -> None:
    assert execute(typed, model).show[0].text == "you are not in #nada"


def test_whom_one_ignores_is_set_by_a_command_of_its_own(model: Model) -> None:
    assert "/ignore NICK" in execute("/set ignore carla", model).show[0].text


def test_the_language_of_the_system_is_spoken_at_once_too(model: Model, in_spanish: None) -> None:
    model.preferences.system_language = "en"
    step = execute("/set language -", model)
    assert step.save
    assert step.save.told == "language is - now"
    assert texts.spoken() == "en"


def test_private_talks_cannot_be_searched(model: Model) -> None:
    execute("/query beto", model)
    assert execute("/search words", model).show[0].text.startswith("how to use it: /search [#ROOM] WORDS")


def test_without_a_room_words_are_not_lost_silently() -> None:
    step = execute("hola", Model("ana"))
    assert step.say == []
    assert "/join" in step.show[0].text


def test_quit_says_goodbye_and_clear_clears(model: Model) -> None:
    assert execute("/quit", model).leave == "leaving"
    assert execute("/quit see you", model).leave == "see you"
    assert execute("/clear", model).clear


def test_help_lists_every_command(model: Model) -> None:
    text = "\n".join(line.text for line in execute("/help", model).show)
    assert all(f"/{name}" in text for name in COMMANDS)
    assert [line.text.split()[0] for line in execute("/help /join", model).show] == ["/join"]


def test_help_on_what_there_is_not_guesses_what_was_meant(model: Model) -> None:
    assert execute("/help jion", model).show[0].text == "no such command: /jion (did you mean /join?)"
    assert execute("/help xyzzy", model).show[0].text == "no such command: /xyzzy (see /help)"


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_help_fits_two_rows_each_at_most(model: Model, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "_process", language)
    lines = [line.plain("14:03") for line in execute("/help", model).show]
    assert max(map(len, lines)) <= 107


def test_only_some_commands_work_alone() -> None:
    assert needs_server("/join #x")
    assert not needs_server("/query beto")
    assert not any(map(needs_server, ("/help", "/quit", "/clear", "hola", "//join", "/nonsense")))


@pytest.mark.parametrize(
    ("before", "candidates"),
    [
        ("be", ["Berta: ", "beto: "]),
        ("BET", ["beto: "]),
        ("hola be", ["Berta ", "beto "]),
        ("zo", ["zoe: "]),
        ("an", []),  # oneself
        ("", []),
        ("/jo", ["/join "]),
        ("/q", ["/query ", "/q ", "/quit "]),
        ("/msg ", ["Berta ", "beto ", "Carla ", "zoe "]),
        ("/msg ca", ["Carla "]),
        ("/join #", ["#dev ", "#lobby "]),
        ("/join ", ["#dev ", "#lobby "]),
        ("see #d", ["#dev "]),
        ("//jo", []),
        ("/set ", ["nick ", "room ", "language ", "bell ", "joins ", "history "]),
        ("/set j", ["joins "]),
        ("/set bell ", ["off ", "on "]),
        ("/set joins f", ["fold "]),
        ("/set language e", ["en ", "es "]),
        ("/set nick be", []),
        ("/set joins all ", []),
        ("/ignore be", ["Berta ", "beto "]),
        ("/unignore ", ["Troll "]),
        ("/unignore t", ["Troll "]),
        ("/search #d", ["#dev "]),
        ("/unig", ["/unignore "]),
        ("/reg", ["/register "]),
        ("/lo", ["/login "]),
    ],
)
def test_tab_completes(model: Model, before: str, candidates: list[str]) -> None:
    assert complete(before, model)[1] == candidates
