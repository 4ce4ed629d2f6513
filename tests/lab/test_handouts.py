"""Each handout: the same in each language, and what it says one types prints what it shows, as near as it says.

In front of each transcript stands how near: exactly, up to so many times more or less, or as it comes.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from mpchat.lab.checking import MOST_OTHERS
from mpchat.lab.wording import LANGUAGES
from mpchat.lab.words import TEXTS
from tests.lab.experiments import NAMES, experiment, handout, wording

ROOT = Path(__file__).parent.parent.parent
PARTS = ("mpchat", "scripts", ".venv", "Makefile", "requirements.txt", "requirements-dev.txt", "README.md")
EXACT = {"en": "It prints just this, but for your answers.", "es": "Muestra justo esto, salvo tus respuestas."}
NEAR = {
    "en": r"Your numbers may be up to (\d+) times larger or smaller\.",
    "es": r"Tus números pueden ser hasta (\d+) veces mayores o menores\.",
}
ANY = {"en": "Your numbers will be others.", "es": "Tus números serán distintos."}
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_OTHERS = re.compile(r"(?:other programs used|otros programas usaron) ([\d.]+)")  # that is the machine's affair

Transcript = tuple[str, str, str]  # how near, the command, what it prints


def transcripts(path: Path) -> list[Transcript]:
    found = re.findall(r"(?ms)^([^\n]+)\n\n```console\n\$ (.*?)\n(.*?)^```$", path.read_text())
    assert len(found) == path.read_text().count("```console"), "each stands behind a line that says how near it is"
    return found


def without_language(command: str) -> str:
    return command.replace(" --lang es", "")


def outside_blocks(path: Path) -> str:
    return re.sub(r"(?ms)^```.*?^```", "", path.read_text())


def differences(shown: str, printed: str, times: float | None) -> list[str]:
    """Where the text differs, or a number by more than `times` (None: by whatever)."""
    shown, printed = (_OTHERS.sub("", re.sub(r"[█░●]+", "█", text)) for text in (shown, printed))
    texts = [re.sub(r"█ ?", "", " ".join(_NUMBER.sub("N", text).split())) for text in (shown, printed)]
    if texts[0] != texts[1]:
        return [f"shown:\n{shown}\nprinted:\n{printed}"]
    if times is None:
        return []
    pairs = zip(*(map(_value, _NUMBER.findall(text)) for text in (shown, printed)), strict=True)
    return [f"{one} is shown, {other} printed" for one, other in pairs if not _is_near(one, other, times)]


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _is_near(one: float, other: float, times: float) -> bool:
    """Below 1, the last digit decides more than the machine does."""
    low, high = sorted((one, other))
    return low == high or high <= times * low or (times > 1 and high < 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_languages_have_the_same_headings_commands_files_and_numbers(name: str) -> None:
    english, spanish = handout(name, "en"), handout(name, "es")

    for pattern in (r"(?m)^(#+) ", r"`(\w*/[\w/.]+)`", r"(?<![\w-])--(?!lang)[a-z][a-z-]+", r"`make [^`]+`"):
        found = [re.findall(pattern, outside_blocks(path)) for path in (english, spanish)]
        assert sorted(found[0]) == sorted(found[1]), pattern
    typed = [[without_language(command) for _, command, _ in transcripts(path)] for path in (english, spanish)]
    assert typed[0] == typed[1]
    assert len(typed[0]) >= 3
    counted = [sorted(_NUMBER.findall(outside_blocks(path))) for path in (english, spanish)]
    assert counted[0] == counted[1]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_to_be_explained_stands_in_it(name: str, language: str) -> None:
    text = " ".join(outside_blocks(handout(name, language)).split())

    for key in experiment(name).explain:
        assert wording(name, language)(f"explain.{key}") in text


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_every_command_prints_what_is_shown(name: str, language: str, tmp_path: Path) -> None:
    for part in PARTS:
        (tmp_path / part).symlink_to(ROOT / part)
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}

    others = 0.0
    for near, command, shown in transcripts(handout(name, language)):
        typed = "".join(line.lstrip(" >") + "\n" for line in shown.splitlines() if re.match(r" *> ", line))
        printed = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
        ).stdout
        others = max([others, *map(float, _OTHERS.findall(printed))])
        found = differences(shown, printed, _times(near, language))
        if found and others > MOST_OTHERS and any(claim.needs_quiet for claim in experiment(name).claims):
            pytest.skip("the machine is busy: what is about speed is another on each run")
        if found and TEXTS[language]["skip.no_strace"] in " ".join(printed.split()):
            pytest.skip("strace is not here, or may not trace: what it would see is skipped")
        assert found == [], command


def _times(near: str, language: str) -> float | None:
    if near.endswith(EXACT[language]):
        return 1.0
    if near.endswith(ANY[language]):
        return None
    found = re.search(NEAR[language] + "$", near)
    assert found, f"{near!r} does not say how near it is"
    return float(found[1])


@pytest.mark.parametrize(
    ("shown", "printed", "times"),
    [
        ("grew by 5 MiB", "grew by 26 MiB", 5.0),
        ("0 lost", "1 lost", 5.0),
        ("it is closed", "it is open", None),
        ("1,000 accepted", "1,001 accepted", 1.0),
        ("one line", "one line and more", None),
    ],
)
def test_a_difference_is_found(shown: str, printed: str, times: float | None) -> None:
    assert differences(shown, printed, times) != []


def test_what_is_near_is_no_difference() -> None:
    assert differences("grew by 5.0 MiB ██████", "grew by 24 MiB ███", 5.0) == []
    assert differences("pid 4242 in 3\nlines", "pid 7 in 2 lines", None) == []
