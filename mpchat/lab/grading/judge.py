"""The judge: tries one exercise, and says what came of it. It runs in the sandbox, and the student's code under it.

    python -m mpchat.lab.grading.judge <ORDERS >RESULTS

ORDERS is one JSON object: "experiment", "source" (of the exercise, base64), "seed", "language", and "folder", where the
exercise's copy goes. RESULTS are lines of JSON: a row for each step, as a Result has it, and {"end": N} behind the
last. {"wrong": TEXT} says why there are none. What is not there as a whole is worth nothing: it may be this process
that was killed.

Student's code runs in child processes only. They are of the same user; but no process of that user may trace this one
or open its descriptors (hide()), and none inherits the one for results.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

from mpchat.lab import catalogue, processes
from mpchat.lab.trying import attempt
from mpchat.lab.wording import Wording


def main() -> int:
    if processes.HAS_PRCTL:
        processes.hide()
    orders = json.loads(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as results:  # dup() of Python's: not inheritable (PEP 446)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        for row in _rows(orders):
            results.write(json.dumps(row) + "\n")
    return 0


def _rows(orders: dict[str, Any]) -> list[Any]:
    name = orders["experiment"]
    path = Path(orders["folder"], f"{name}.py")
    path.write_bytes(base64.b64decode(orders["source"]))
    try:
        experiment = catalogue.load(name)
        say = Wording(orders["language"], experiment.texts)
        found = attempt(experiment, catalogue.trial(name), path, orders["seed"], say)
    except Exception as error:  # a trial that does not expect what a student's code returns
        return [{"wrong": f"{type(error).__name__}: {error}"}]
    return [*map(list, found), {"end": len(found)}]


if __name__ == "__main__":
    raise SystemExit(main())
