"""mpchat ps: the processes of a running server by role, with their counters. psutil adds CPU, memory, descriptors."""

import json
from typing import Any

_COLUMNS = ("ROLE", "PID", "CLIENTS", "RECORDS", "CPU s", "PSS MiB", "FDS")


def as_json(status: dict[str, Any]) -> str:
    """Roles with their process ids on top, and everything about each process under "processes"."""
    rows = status["processes"]
    tree: dict[str, Any] = {row["role"]: row["pid"] for row in rows if not row["role"].startswith("worker")}
    tree["workers"] = [row["pid"] for row in rows if row["role"].startswith("worker")]
    return json.dumps({**tree, "ports": status["ports"], "processes": [{**row, **_measured(row)} for row in rows]})


def as_table(status: dict[str, Any]) -> str:
    lines = [_COLUMNS]
    for row in status["processes"]:
        measured = _measured(row)
        counted = [str(row.get("clients", "")), str(row.get("records", ""))]
        if row["role"] in ("broker", "recorder"):
            counted[0] = ""  # they have no connections
        if row["role"] == "acceptor":
            counted[1] = ""
        sizes = [f"{measured[name]:.1f}" if name in measured else "-" for name in ("cpu_seconds", "pss_mib")]
        lines.append((row["role"], str(row["pid"] or "-"), *counted, *sizes, str(measured.get("fds", "-"))))
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    table = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
    if all("cpu_seconds" not in _measured(row) for row in status["processes"]):
        table.append("(psutil is not installed: no CPU, memory and fds)")
    if any(row.get("has_other_code") for row in status["processes"]):
        table.append("(the code of the chat was changed while the server runs: its broker has the new one)")
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in "\n".join(table))


def _aligned(line: tuple[str, ...], widths: list[int]) -> list[str]:
    return [line[0].ljust(widths[0])] + [word.rjust(width) for word, width in zip(line[1:], widths[1:], strict=True)]


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    """CPU time so far (user + system, s), memory (MiB; shared pages divided by those who share them), open fds."""
    if row["pid"] is None:
        return {}  # the role is vacant
    try:
        import psutil
    except ImportError:
        return {}
    try:
        process = psutil.Process(row["pid"])
        times = process.cpu_times()
        memory = process.memory_full_info()
        size = getattr(memory, "pss", memory.rss)
        return {
            "cpu_seconds": round(times.user + times.system, 2),
            "pss_mib": round(size / (1 << 20), 1),
            "fds": process.num_fds(),
        }
    except psutil.Error:
        return {}  # the process has ended meanwhile
