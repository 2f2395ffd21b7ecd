"""A clone of a bare remote with a project whose prompt can be searched."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.search.planted import ROWS

from tidemill.cli import commands
from tidemill.home import Home
from tidemill.settings import Settings
from tidemill.terminal.shell import run

BRANCH = "tidemill/optimise/shop/ask"
PROMPT = """\
# How a request is put.
apiVersion: tidemill/v1
kind: Prompt
name: ask
template: ask.j2 # the template
inputs: [text]
output: {type: label}
optimise:
  metric: accuracy
  dataset: rows
  rank_on: 16
  calls: 400
"""
FILES = {
    "ask.yaml": PROMPT,
    "ask.j2": "{{ text }}\n",
    "rows.yaml": """\
apiVersion: tidemill/v1
kind: Dataset
name: rows
format: classification
sources: [{type: file, path: rows.jsonl}]
split: {ratios: {train: 0.5, validation: 0.25, test: 0.25}}
""",
    "tiny.yaml": """\
apiVersion: tidemill/v1
kind: Model
name: tiny
source: {type: path, path: weights}
licence: Apache-2.0
""",
    "rows.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


class Shop:
    """A clone of a bare remote with one project, made up to the prompt."""

    def __init__(self, folder: Path, weights: Path, more: Mapping[str, str] = {}) -> None:
        self.bare, self.clone = folder / "remote.git", folder / "clone"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "init", "--quiet", "--initial-branch=main", str(self.clone))
        git(self.clone, "config", "user.email", "ada@example.com")
        git(self.clone, "config", "user.name", "Ada")
        git(self.clone, "remote", "add", "origin", str(self.bare))
        self.project = self.clone / "specs" / "shop"
        self.project.mkdir(parents=True)
        for name, text in {**FILES, **more}.items():
            (self.project / name).write_text(text)
        (self.project / "weights").mkdir()
        for path in weights.iterdir():
            (self.project / "weights" / path.name).write_bytes(path.read_bytes())
        self.commit()
        for name in ("rows", "tiny", "ask"):
            self.home.builder("shop").materialise(name)

    @property
    def home(self) -> Home:
        return Home(Settings.read(specs=self.clone / "specs"))

    def branches(self) -> list[str]:
        return git(self.bare, "for-each-ref", "--format=%(refname:short)").split()

    def commit(self) -> None:
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "--quiet", "-m", "the shop")
        git(self.clone, "push", "--quiet", "origin", "main")

    def run(self, *arguments: str) -> int:
        options = ["--model", "tiny", "--specs", str(self.clone / "specs")]
        return run(commands, ["optimise", "shop/ask", *options, *arguments])
