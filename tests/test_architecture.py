"""The architecture: which packages are pure, which may import which, and that nobody lets an unknown message pass.

It reads the source; it imports none of it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "mpchat"
SYSTEM = {"os", "io", "socket", "selectors", "signal", "time", "random", "threading", "multiprocessing"}
SYSTEM |= {"subprocess", "logging", "asyncio"}
PURE = ("chat", "protocol", "flow", "core", "settings", "messages", "texts", "toml", "config_file", "addresses")
# In packages that are not.
PURE_FILES = (
    "monitor/course.py",
    "monitor/picture.py",
    "monitor/metrics.py",
    "monitor/happening.py",
    "monitor/hearing.py",
)
PURE_FILES += ("monitor/explaining.py", "monitor/doctor/judging.py", "lab/grading/formats.py")
PURE_FILES += ("authenticator/saslprep.py",)
PURE_FILES += tuple(
    f"lab/{name}.py"
    for name in ("checking", "cutting", "experiment", "plotting", "report", "svg", "telling", "wording", "words")
)
PURE_FILES += tuple(
    f"lab/{path.parent.name}/{path.name}" for path in ROOT.glob("lab/e*/*.py") if path.stem in ("check", "words")
)
SCREENS = ("client/", "monitor/screen.py")  # who may import prompt_toolkit
PROCESSES = ("supervisor", "acceptor", "worker", "broker", "recorder", "authenticator", "front")
PACKAGES = {
    "texts",
    "chat",
    "protocol",
    "core",
    "flow",
    "ipc",
    "store",
    "runtime",
    *PROCESSES,
    "backup",
    "client",
    "monitor",
    "lab",
    "cli",
    "config_file",
    "roles",
}
# What a package may import of the others. Settings, messages, addresses, toml, and the version in __init__ are
# everybody's.
SHARED = {"texts", "chat", "protocol", "core", "flow", "ipc", "store", "runtime"}
LAYERS = {
    "settings": set[str](),
    "messages": set[str](),
    "toml": set[str](),
    "addresses": set[str](),
    "config_file": {"texts"},
    "texts": {"texts"},
    "chat": {"chat"},
    "protocol": {"protocol", "chat", "texts"},
    "core": {"core", "protocol", "chat", "flow"},
    "flow": {"flow"},
    "ipc": {"ipc", "texts"},
    "store": {"store", "ipc.frames", "texts"},
    "runtime": {"runtime", "ipc", "store", "texts"},
    **{process: SHARED | {process} for process in PROCESSES},
    "backup": {"backup", "core", "flow", "ipc.frames", "store", "texts"},
    "client": {"client", "protocol", "chat", "texts"},
    "monitor": SHARED - {"flow"} | {"monitor"},
    "lab": SHARED | {"lab", "monitor"},
    "roles": set(PROCESSES),
}


def imported(source: str) -> set[str]:
    """Every module that a file imports, wherever in it; `from a import b` may import the module a.b."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names |= {"." * node.level + (node.module or ""), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def wrong(path: str, source: str) -> list[str]:
    """What a file of mpchat imports and may not. `path` is relative to it: "chat/hub.py"."""
    package = path.split("/")[0].removesuffix(".py")
    is_pure = package in PURE or path in PURE_FILES
    found = []
    for name in sorted(imported(source)):
        top, _, inside = name.partition(".")
        known = LAYERS.get(package)
        if (
            not top  # a relative import would hide its package
            or (is_pure and (top in SYSTEM or top not in {"mpchat", *sys.stdlib_module_names}))
            or (top == "prompt_toolkit" and not path.startswith(SCREENS))
            or (top == "prometheus_client" and path != "monitor/exporter.py")
            or (
                known is not None
                and top == "mpchat"
                and inside.split(".")[0] in PACKAGES
                and not _within(inside, known)
            )
        ):
            found.append(f"{path} imports {name}")
    return found


def _within(name: str, known: set[str]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in known)


FILES = {str(path.relative_to(ROOT)): path.read_text() for path in sorted(ROOT.rglob("*.py"))}


def test_every_package_keeps_to_its_layer() -> None:
    assert [line for path, source in FILES.items() for line in wrong(path, source)] == []


def test_every_package_has_a_layer() -> None:
    """But those that may know anybody."""
    packages = {path.split("/")[0].removesuffix(".py") for path in FILES}

    assert packages - set(LAYERS) == {"cli", "__init__", "__main__"}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chat/hub.py", "import os"),
        ("chat/hub.py", "import psutil"),
        ("protocol/clock.py", "def f():\n    from dateutil.tz import UTC"),
        ("messages.py", "import attrs"),
        ("chat/hub.py", "import os.path as p"),
        ("core/machine.py", "from time import monotonic"),
        ("settings.py", "def f():\n    import random"),
        ("flow/token_bucket.py", "if x:\n    from threading import Lock"),
        ("protocol/irc/people.py", "import json, socket"),
        ("chat/hub.py", "from mpchat.protocol import plain"),
        ("chat/hub.py", "from mpchat import core"),
        ("chat/hub.py", "from ..protocol import plain"),
        ("protocol/plain/commands.py", "from mpchat.core.machine import Core"),
        ("core/machine.py", "import mpchat.worker.connection"),
        ("runtime/poller.py", "from mpchat.chat.hub import Hub"),
        ("store/journal.py", "from mpchat.ipc import transport"),
        ("client/app.py", "from mpchat.core.machine import Core"),
        ("client/app.py", "from mpchat.ipc.frames import load"),
        ("worker/worker.py", "import prompt_toolkit.application"),
        ("monitor/top.py", "def f():\n    from prompt_toolkit.keys import Keys"),
        ("monitor/picture.py", "import time"),
        ("monitor/course.py", "import psutil"),
        ("monitor/metrics.py", "import os"),
        ("monitor/ps.py", "def f():\n    from prometheus_client import Metric"),
        ("worker/worker.py", "from mpchat.broker import streams"),
        ("runtime/first_minute.py", "from mpchat.worker import worker"),
    ],
)
def test_the_check_finds(path: str, source: str) -> None:
    assert wrong(path, source) != []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("chat/hub.py", "from collections import deque\nfrom mpchat.settings import ChatSettings"),
        ("chat/hub.py", "from mpchat.chat import names"),
        ("core/machine.py", "from mpchat.protocol import irc"),
        ("store/journal.py", "import os\nfrom mpchat.ipc.frames import load"),
        ("worker/throttle.py", "import time\nfrom mpchat.flow.token_bucket import TokenBucket"),
        ("client/app.py", "import prompt_toolkit\nimport socket"),
        ("broker/broker.py", "import mpchat.core.machine"),
        ("protocol/server.py", "def time() -> None: ..."),
        ("flow/outbox.py", "from __future__ import annotations\nfrom collections import deque"),
        ("monitor/measuring.py", "import psutil"),
        ("monitor/screen.py", "import prompt_toolkit\nimport signal"),
        ("monitor/exporter.py", "from prometheus_client import Metric"),
    ],
)
def test_the_check_lets_pass(path: str, source: str) -> None:
    assert wrong(path, source) == []


# Cycles


def imported_at_once(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """What a module imports before it is complete: neither inside a function, nor for the types alone."""
    for node in nodes:
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names):
                for alias in names:
                    yield f"{module}.{alias.name}"
            case ast.If(test, _, orelse) if ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
                yield from imported_at_once(orelse)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                pass
            case _:
                yield from imported_at_once(ast.iter_child_nodes(node))


def cycle(sources: dict[str, str]) -> list[str]:
    """Modules each of which imports the next, and the last one is the first; [] if there are none."""
    graph = {}
    for module, source in sources.items():
        names = imported_at_once(ast.parse(source).body)
        graph[module] = {name if name in sources else name.rpartition(".")[0] for name in names} & set(sources)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def modules(folder: str) -> dict[str, str]:
    paths = (ROOT.parent / folder).rglob("*.py")
    names = {path: ".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in sorted(paths)}
    return {name.removesuffix(".__init__"): path.read_text() for path, name in names.items()}


@pytest.mark.parametrize("folder", ["mpchat", "scripts"])
def test_no_modules_import_each_other(folder: str) -> None:
    assert cycle(modules(folder)) == []


def test_a_cycle_is_found_wherever_a_module_imports() -> None:
    one = {"a": "import b\n", "b": "try:\n    from a.c import x\nexcept ImportError:\n    x = 1", "a.c": "import a"}
    assert sorted(set(cycle(one))) == ["a", "a.c", "b"]
    assert cycle({"a": "class A:\n    from a import x"}) == ["a", "a"]


def test_what_is_imported_later_or_for_the_types_alone_is_no_cycle() -> None:
    later = "if TYPE_CHECKING:\n    import a\ndef f():\n    import a"
    assert cycle({"a": "import b", "b": later}) == []
    assert cycle({"a": "from a import b", "a.b": ""}) == [], "a package may import its modules"


# Types


def test_no_tuple_is_of_anything() -> None:
    """What is said between processes has its type in messages.py, and there none is Any."""
    sources = modules("mpchat") | modules("scripts")
    assert [name for name, source in sources.items() if re.search(r"\btuple\[Any, \.\.\.\]", source, re.I)] == []
    names = [node.id for node in ast.walk(ast.parse(sources["mpchat.messages"])) if isinstance(node, ast.Name)]
    assert "Any" not in names


# Unknown messages

# These look at some of the messages that their process has let in already.
LET_PASS = {
    ("broker/disk_full.py", "tell"),  # who must be told that his line waits; the others are not told anything
    ("flow/outbox.py", "_fold_one"),  # the broker's own items, of which it asks for four
    ("protocol/redaction.py", "take"),  # what a client has typed; the others hold no secret
}


def is_word(pattern: ast.pattern) -> bool:
    match pattern:
        case ast.MatchValue(ast.Constant(str())):
            return True
        case ast.MatchAs(ast.pattern() as inner):
            return is_word(inner)
        case ast.MatchOr(patterns):
            return any(map(is_word, patterns))
        case _:
            return False


def begins_with_word(pattern: ast.pattern) -> bool:
    """("word", ...), or such a message and its descriptors."""
    match pattern:
        case ast.MatchSequence([first, *_]):
            return is_word(first) or begins_with_word(first)
        case ast.MatchOr(patterns):
            return any(map(begins_with_word, patterns))
        case _:
            return False


def raises(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Raise) for each in ast.walk(node))


def refuses(case: ast.match_case, raising: set[str]) -> bool:
    """Whether it takes all that is left, and raises, or calls one of the functions that do."""
    takes_all = case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
    match case.body[-1]:
        case ast.Raise():
            return takes_all
        case ast.Expr(ast.Call(ast.Name(name) | ast.Attribute(_, name))):
            return takes_all and name in raising
        case _:
            return False


def functions(source: str) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))


def negligent(sources: dict[str, str]) -> set[tuple[str, str]]:
    """The functions that let an unknown message pass, with their files."""
    raising = {function.name for source in sources.values() for function in functions(source) if raises(function)}
    return {
        (path, function.name)
        for path, source in sources.items()
        for function in functions(source)
        for node in ast.walk(function)
        if isinstance(node, ast.Match)
        and any(begins_with_word(case.pattern) for case in node.cases)
        and not refuses(node.cases[-1], raising)
    }


def test_whoever_looks_at_messages_refuses_the_unknown() -> None:
    assert negligent(FILES) == LET_PASS


@pytest.mark.parametrize("process", [*PROCESSES, "core"])
def test_every_process_looks_at_messages(process: str) -> None:
    """Else the check above would have looked at nothing."""
    sources = [source for path, source in FILES.items() if path.startswith(f"{process}/")]
    cases = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.match_case)]
    assert any(begins_with_word(case.pattern) for case in cases)


@pytest.mark.parametrize(
    "cases",
    [
        'case ("go",): pass',
        'case ("go",): pass\n  case _: pass',
        'case ("go",): pass\n  case _ if x: raise E',
        'case ("go",), []: pass\n  case _: log(message)',
        'case ("go",): raise E',
        'case ("go" | "come" as word, *_): pass\n  case (_,): raise E',
    ],
)
def test_the_check_finds_who_lets_one_pass(cases: str) -> None:
    assert negligent({"a.py": f"def f():\n match message:\n  {cases}"}) == {("a.py", "f")}


@pytest.mark.parametrize(
    "cases",
    [
        'case ("go",): pass\n  case _: raise E',
        'case ("go",), [fd]: pass\n  case other: refuse(other)',
        'case ("go",): pass\n  case _:\n   close()\n   raise E',
        "case int(): pass",
    ],
)
def test_the_check_lets_them_pass_who_do_not(cases: str) -> None:
    source = f"def f():\n match message:\n  {cases}\ndef refuse(other):\n raise E"
    assert negligent({"a.py": source}) == set()
