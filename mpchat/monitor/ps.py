"""mpchat ps: the processes of a running server by role, with their counters, and what the system says of each: CPU,
memory, descriptors.
"""

import json
from typing import Any

from mpchat.monitor import measuring
from mpchat.texts import t


def as_json(status: dict[str, Any]) -> str:
    """Roles with their process ids on top, and everything about each process under "processes"."""
    rows = status["processes"]
    tree: dict[str, Any] = {row["role"]: row["pid"] for row in rows if not row["role"].startswith("worker")}
    tree["workers"] = [row["pid"] for row in rows if row["role"].startswith("worker")]
    return json.dumps(
        {
            **tree,
            "ports": status["ports"],
            "tls_ports": status.get("tls_ports", []),
            "processes": [{**row, **_measured(row)} for row in rows],
        }
    )


def as_table(status: dict[str, Any]) -> str:
    lines = [(t("ps.role"), "PID", t("ps.clients"), t("ps.records"), "CPU s", "PSS MiB", "FDS")]
    for row in status["processes"]:
        measured = _measured(row)
        counted = [str(row.get("clients", "")), str(row.get("records", ""))]
        if row["role"] in ("broker", "recorder", "authenticator"):
            counted[0] = ""  # they have no connections
        if row["role"] in ("acceptor", "front"):
            counted[1] = ""
        sizes = [f"{measured[name]:.1f}" if name in measured else "-" for name in ("cpu_seconds", "pss_mib")]
        lines.append((row["role"], str(row["pid"] or "-"), *counted, *sizes, str(measured.get("fds", "-"))))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    table = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
    if all("cpu_seconds" not in _measured(row) for row in status["processes"]):
        table.append(t("ps.nothing_measured"))
    if any(row.get("has_other_code") for row in status["processes"]):
        table.append(t("ps.other_code"))
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in "\n".join(table))


def _aligned(line: tuple[str, ...], widths: list[int]) -> list[str]:
    return [line[0].ljust(widths[0])] + [word.rjust(width) for word, width in zip(line[1:], widths[1:], strict=True)]


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    """CPU time so far (user + system, s), memory (MiB; shared pages divided by those who share them), open fds."""
    pid = row["pid"]
    if pid is None:
        return {}  # the role is vacant
    measured, memory = measuring.measure(pid), measuring.memory(pid)
    if measured is None or memory is None:
        return {}  # the process has ended meanwhile, or nobody tells
    return {"cpu_seconds": round(measured.cpu_seconds, 2), "pss_mib": round(memory.pss_mib, 1), "fds": measured.fds}
