"""Write what students get as a zip archive: the server and the labs, with exercises in place of their solutions.

    python scripts/handout.py [FILE]

It has neither solutions nor what is for instructors. The same sources make the same archive, byte for byte. Before it
is written it is searched for lines of the solutions.
"""

import argparse
import io
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mpchat.lab.cutting import cut, regions, without_regions
from mpchat.lab.wording import LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
_TOP = "mpchat-lab"  # the folder that it unpacks to
_FILES = (
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "requirements.txt",
    "scripts/__init__.py",
    "scripts/chaos.py",
    "scripts/prepare.py",
    "scripts/with_python.sh",
)
_FOLDERS = {"mpchat": (".py", ".md"), "scripts/chaos_run": (".py",)}  # and what their files must end in
_NOT_HANDED_OUT = re.compile(r"mpchat/lab/(grading/.*|instructors\..*)")
# Of the Makefile, those that need what is not in it.
_TARGETS = ("grade", "handout", "test", "test-all", "lint", "bench", "bench-peers", "bench-growth", "soak")
_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive knows
_WINDOW = 4  # so many lines of a solution one after the other are no chance


def main() -> int:
    parser = argparse.ArgumentParser(usage="%(prog)s [FILE]", description="Write what students get as a zip archive.")
    parser.add_argument("file", nargs="?", default="mpchat-lab.zip", type=Path)
    path = parser.parse_args().file
    files = handed_out(ROOT)
    found = leaks(ROOT, files)
    if found:
        print("\n".join(["handout: there are lines of solutions in it:", *found]), file=sys.stderr)
        return 1
    path.write_bytes(archive(files))
    print(f"{path}: {len(files)} files, {path.stat().st_size // 1024} KiB")
    return 0


def handed_out(root: Path) -> dict[str, str]:
    """The text of each file, by its path."""
    files = {name: (root / name).read_text() for name in _FILES if (root / name).exists()}
    for folder, endings in _FOLDERS.items():
        for path in (root / folder).rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.suffix not in endings or not path.is_file() or _NOT_HANDED_OUT.fullmatch(name):
                continue
            if path.name == "solution.py":
                for language in LANGUAGES:
                    exercise = path.with_name(f"exercise.{language}.py").relative_to(root).as_posix()
                    files[exercise] = cut(path.read_text(), language)
            else:
                files[name] = path.read_text()
    for name in ("README.md", "README.es.md"):  # on top is the students'; the project's is another
        files[name] = files.pop(f"mpchat/lab/{name}").replace("](e", "](mpchat/lab/e")
        files[name.replace("README", "PROJECT")] = (root / name).read_text()
    files["Makefile"] = makefile(files["Makefile"])
    return files


def makefile(text: str) -> str:
    """Without the targets that students do not have."""
    for target in _TARGETS:
        text = re.sub(rf"(?m)^{target}:.*\n(?:\t.*\n)+\n?", "", text)
    return re.sub(
        r"(?m)^\.PHONY: (.*)$",
        lambda found: " ".join([".PHONY:", *(name for name in found[1].split() if name not in _TARGETS)]),
        text,
    )


def leaks(root: Path, files: Mapping[str, str]) -> list[str]:
    """Where lines of solutions are: in an exercise each of them that stands nowhere else in its solution, elsewhere as
    many as cannot be there by chance.
    """
    lines = {name: [line.strip() for line in text.splitlines()] for name, text in files.items()}
    windows = {name: {"\n".join(each) for each in _windows(those)} for name, those in lines.items()}
    found = []
    for path in sorted(root.glob("mpchat/lab/e*/solution.py")):
        text = path.read_text()
        inside = [[line.strip() for line in region if line.strip()] for region in regions(text)]
        folder = path.parent.relative_to(root).as_posix()
        outside = {line.strip() for line in without_regions(text)}
        for language in LANGUAGES:
            exercise = f"{folder}/exercise.{language}.py"
            cut_out = {line for region in inside for line in region} - outside
            found += [f"{exercise}: {line}" for line in lines[exercise] if line in cut_out]
        wanted = {"\n".join(each) for region in inside for each in _windows(region)}
        found += [f"{name}: {text!r}" for name in files for text in sorted(wanted & windows[name])]
    return found


def _windows(lines: list[str]) -> Iterator[list[str]]:
    full = [line for line in lines if line]
    for start in range(len(full) - _WINDOW + 1):
        yield full[start : start + _WINDOW]


def archive(files: Mapping[str, str]) -> bytes:
    """Sorted, without a time, and with the rights that a checkout has."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as it:
        for name in sorted(files):
            info = zipfile.ZipInfo(f"{_TOP}/{name}", _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, wherever it is made: the rights are meant so
            info.external_attr = (0o100755 if name.endswith(".sh") else 0o100644) << 16
            it.writestr(info, files[name])
    return data.getvalue()


if __name__ == "__main__":
    raise SystemExit(main())
