"""mpchat doctor: will a server run on this machine, with these arguments? Each check in a line, and a verdict.

It changes nothing: what it makes it removes. If it dies by SIGKILL, what is left is a server that nobody knows.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator

from mpchat.monitor.doctor import machine, places, stops, surroundings, trial
from mpchat.monitor.doctor.asked import Asked
from mpchat.monitor.doctor.judging import BAD, NOTE, Finding, skipped_trial, untold
from mpchat.texts import t

Look = Callable[[Asked], list[Finding]]

# By group, in the order in which they are told. A name is told where its look fails.
CHECKS: dict[str, dict[str, Look]] = {
    "config": {"config": places.config},
    "python": {"python": machine.python, "sqlite": machine.sqlite, "packages": surroundings.packages},
    "machine": {
        "system": machine.system,
        "semaphores": machine.semaphores,
        "cores": machine.cores,
        "memory": machine.memory,
    },
    "limits": {
        "descriptors": machine.descriptors,
        "processes": machine.processes,
        "file-size": machine.file_size,
        "backlog": machine.backlog,
    },
    "data": {"data": places.data},
    "network": {"control-socket": places.control, "ports": places.ports},
    "tls": {"certificate": places.certificate},
    "tools": {"tools": surroundings.tools},
    "clock": {"clock": surroundings.clock, "monotonic": surroundings.monotonic, "time-zone": surroundings.zone},
    "terminal": {
        "terminal": surroundings.terminal,
        "letters": surroundings.letters,
        "locale": surroundings.speech,
    },
}
_TRIAL = "trial"


def run(asked: Asked, as_json: bool, show: Callable[[str], None]) -> int:
    """Returns 0 if the server will run, 1 if it will not. Raises KeyboardInterrupt at a signal that asks it to stop."""
    findings: list[tuple[str, Finding]] = []
    shown = ""
    with stops.noted():
        for group, finding in examine(asked):
            findings.append((group, finding))
            if not as_json:
                if group != shown:
                    show(t(f"doctor.group.{group}"))
                    shown = group
                show(as_line(finding))
        stops.look()
    packages = sorted({package for _, finding in findings for package in finding.packages})
    install = _install_line(packages, asked.environment.get("PATH", os.defpath))
    verdicts = [finding.verdict for _, finding in findings]
    if as_json:
        show(_as_json(findings, install))
    else:
        if install:
            show("\n" + t("doctor.install"))
            show(install)
        show(f"\n{_last_word(verdicts.count(BAD), verdicts.count(NOTE))}")
    return 1 if BAD in verdicts else 0


def examine(asked: Asked) -> Iterator[tuple[str, Finding]]:
    """Each check's outcome, with its group, as soon as it is there."""
    will_run = True
    for group, looks in CHECKS.items():
        for name, look in looks.items():
            for finding in _looked(name, look, asked):
                will_run &= finding.verdict != BAD
                yield group, finding
    for finding in _looked(_TRIAL, trial.run, asked) if will_run else [skipped_trial()]:
        yield _TRIAL, finding


def _looked(name: str, look: Look, asked: Asked) -> list[Finding]:
    stops.look()
    try:
        return look(asked)
    except Exception as error:  # systems differ in more than can be foreseen, and what cannot be told stops nobody
        why = asked.explain(error) if isinstance(error, OSError) else repr(error)
        return [untold(name, why)]


def as_line(finding: Finding) -> str:
    """Whatever the texts of the system hold, it is one line."""
    line = finding.found + (f"; {finding.affects}" if finding.affects else "")
    mark = t(f"doctor.verdict.{finding.verdict}")
    return f"  {mark:<5} " + "".join(letter if letter.isprintable() else "?" for letter in line)


def _as_json(findings: list[tuple[str, Finding]], install: str) -> str:
    checks = [
        {
            "name": finding.name,
            "group": group,
            "verdict": finding.verdict,
            "found": finding.found,
            "affects": finding.affects,
        }
        for group, finding in findings
    ]
    will_run = all(finding.verdict != BAD for _, finding in findings)
    return json.dumps({"will_run": will_run, "checks": checks, "apt": install})


def _install_line(packages: list[str], path: str) -> str:
    """What to type, or, where there is no apt-get, the names alone; "" for no packages."""
    if not packages:
        return ""
    names = " ".join(packages)
    if shutil.which("apt-get", path=path) or shutil.which("apt-get", path="/usr/bin"):
        return f"sudo apt-get install {names}"
    return names


def _last_word(bad: int, notes: int) -> str:
    if bad:
        return t("doctor.will_not_run", count=bad)
    return t("doctor.will_run_less", count=notes) if notes else t("doctor.will_run")
