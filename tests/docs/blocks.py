"""The fenced blocks of a Markdown file, and what it takes to follow a recipe of them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FOLDERS = ("platform", "assets", "specs", "infra", "tests")
_COPIED = (*_FOLDERS, "pyproject.toml", "README.md", "CONTRIBUTING.md")
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^`(?P<path>[^`\s]+)`:$")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    section: str
    """The heading it stands under."""
    line: int
    """Line of its opening fence."""
    info: str
    """What follows the opening fence: the language, and `diagram` where there is nothing to run."""
    text: str
    file: str
    """The path that the line before it names as `PATH`:, or nothing."""

    @property
    def commands(self) -> list[str]:
        """The commands of a console block, without the comments behind them."""
        lines = [line for line in self.text.splitlines() if line.startswith("$ ")]
        return [line[2:].split(" #")[0].strip() for line in lines]


def blocks(document: Path) -> list[Block]:
    """Every fenced block of a document, in order."""
    text = document.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()].splitlines()
        heading = next((line for line in reversed(before) if line.startswith("#")), "")
        named = _FILE.match(next((line for line in reversed(before) if line.strip()), ""))
        path = named["path"] if named else ""
        section, line = heading.lstrip("# "), len(before) + 1
        found.append(Block(section, line, match["info"].strip(), match["text"], path))
    return found


def scratch_copy(folder: Path) -> Path:
    """A copy of the repository without what Git ignores, with hard links to files of this one."""
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_COPIED],
        cwd=ROOT,
        text=True,
    )
    for name in listed.rstrip("\0").split("\0"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            target.write_bytes((ROOT / name).read_bytes())
    return folder


def paste(block: Block, tree: Path) -> None:
    """Do with a block of a recipe what it says: write its file, or change it."""
    path = tree / block.file
    if block.info == "diff":
        path.write_text(changed(path.read_text(encoding="utf-8"), block), encoding="utf-8")
        return
    assert not path.exists(), f"{block.file} is there already; the recipe needs another name"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def changed(text: str, block: Block) -> str:
    """A text with the lines of a diff replaced; they have to be in it exactly once."""
    lines = block.text.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if not line.startswith("+"))
    new = "".join(line[1:] for line in lines if not line.startswith("-"))
    assert text.count(old) == 1, f"{block.file} has these lines {text.count(old)} times:\n{old}"
    return text.replace(old, new)


def run(command: str, tree: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of a console block in a copy of the repository, on the code of that copy."""
    program, *arguments = shlex.split(command)
    modules = {"tidemill": "tidemill", "pytest": "pytest"}
    assert program in modules, f"no test knows how to run '{program}'"
    quick = ["-x", "-p", "no:cacheprovider"] if program == "pytest" else []
    return subprocess.run(
        [sys.executable, "-m", modules[program], *arguments, *quick],
        cwd=tree,
        env={**environment(), "PYTHONPATH": f"{tree / 'platform'}:{tree / 'assets'}:{tree}"},
        capture_output=True,
        text=True,
        check=False,
    )


def environment() -> dict[str, str]:
    """This process's environment without what would lead a command to other specs or homes."""
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
