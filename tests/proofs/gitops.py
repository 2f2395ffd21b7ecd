"""A team steers by pull requests alone: plan, comment, merge, sync, revert, and what is refused.

A bare repository, a clone of it as a person has one, and a home that follows its branch with all
services up. The project is support-chat as it is shipped, less its TensorRT engine.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import httpx

from tests.proofs.banking77 import free_ports
from tests.proofs.cli import Person
from tidemill.adapters.ledger import Ledger

SHIPPED = Path(__file__).parents[2] / "specs"
PROJECT, SERVICE = "support-chat", "support-chat"
ENGINE = """  - runtime: tensorrt-rtx # built ahead of time, here, without a GPU
    compute: [SM89]
    max_length: 256
"""
PATIENCE = 900.0


def run() -> Iterator[dict[str, Any]]:
    """One summary for each step of the story; a step that did not hold ends it."""
    with tempfile.TemporaryDirectory(prefix="tidemill-gitops-") as folder:
        team = Team(Path(folder))
        team.found()
        try:
            for step in (
                first_release,
                words,
                rank,
                comment,
                rows,
                merge,
                revert,
                broken,
                unsigned,
            ):
                started = time.monotonic()
                found = {"step": step.__name__, **step(team)}
                yield {**found, "seconds": round(time.monotonic() - started, 1)}
                if not found["ok"]:
                    return
        finally:
            team.person.types("down", **team.environment)


@dataclass
class Team:
    """The remote, the clone, and the home that follows."""

    folder: Path
    environment: dict[str, str] = field(default_factory=free_ports)
    planned: list[str] = field(default_factory=list)
    """What the plan of the rank edit said would be made."""
    former: str = ""

    @property
    def clone(self) -> Path:
        """Where a person works."""
        return self.folder / "clone"

    @property
    def person(self) -> Person:
        """Who types."""
        return Person(self.clone / "specs", self.folder / "home")

    @property
    def ledger(self) -> Ledger:
        """The home's ledger."""
        return Ledger.open(f"sqlite:///{self.folder / 'home' / 'ledger.db'}")

    def git(self, *arguments: str) -> str:
        """Git in the clone."""
        done = subprocess.run(
            ["git", "-C", str(self.clone), *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def found(self) -> None:
        """A bare remote with the first commit, and a home that follows it."""
        remote = self.folder / "remote.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
        subprocess.run(["git", "clone", "-q", str(remote), str(self.clone)], check=True)
        for key, value in (("user.name", "Ada"), ("user.email", "ada@example.com")):
            self.git("config", key, value)
        self.git("config", "commit.gpgsign", "false")
        self.git("switch", "-q", "--orphan", "main")
        copytree(SHIPPED / PROJECT, self.clone / "specs" / PROJECT,
                 ignore=ignore_patterns("shift.jsonl", "traffic.jsonl"))  # fmt: skip
        self.edit("compression.yaml", ENGINE, "")
        self.commit("Describe the shop's support chat")
        self.git("push", "-q", "-u", "origin", "main")
        self.environment |= {
            "TIDEMILL_GIT_REMOTE": str(remote),
            "TIDEMILL_FORGE": "plain",
            "TIDEMILL_PRICE_PER_HOUR": "0.40",
        }

    def edit(self, name: str, old: str, new: str) -> None:
        """Change one place of a file of the project."""
        path = self.clone / "specs" / PROJECT / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name}: {old!r} is there {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def commit(self, message: str, *options: str) -> None:
        """Commit all there is."""
        self.git("add", "--all")
        self.git("commit", "-q", "-m", message, *options)

    def types(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command in this team's environment."""
        return self.person.types(*arguments, **self.environment, **more)

    def plan(self) -> tuple[int, dict[str, Any]]:
        """The plan of the working tree: exit code and report."""
        done = self.types("plan", "--format", "json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def made(self) -> list[str]:
        """Names of everything that took time to make, oldest first."""
        history = reversed(list(self.ledger.materialisations.history(PROJECT)))
        return [making.name for making in history if making.seconds > 0]

    def live(self) -> str | None:
        """The live release."""
        return self.ledger.rollouts.live_release(SERVICE)

    def answers(self) -> str:
        """The release that answers a request at the gateway; raises where none does."""
        port = self.environment["TIDEMILL_GATEWAY_PORT"]
        url = f"http://127.0.0.1:{port}/{SERVICE}/openai/v1/chat/completions"
        body = {"messages": [{"role": "user", "content": "where is my order"}]}
        answer = httpx.post(url, json=body, timeout=60)
        answer.raise_for_status()
        return str(answer.headers["x-tidemill-release"])

    def until(self, ready: Callable[[], bool], *, asking: bool = True) -> bool:
        """Look again and again, `asking` requests that walk a canary, until it is so."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if ready():
                return True
            if asking and self.live():
                for _ in range(4):
                    self.answers()
            time.sleep(0.5)
        return False


def first_release(team: Team) -> dict[str, Any]:
    """`up` on an empty home, one sync: the commit's release is made and serves."""
    up = team.types("up")
    synced = team.types("sync", "--once", "--json")
    served = team.until(lambda: team.live() is not None)
    team.former = team.live() or ""
    return {
        "ok": up.returncode == 0 and served and team.until(lambda: _serves(team, team.former)),
        "sync": synced.returncode,
        "release": team.former,
    }


def _serves(team: Team, release: str) -> bool:
    try:
        return team.answers() == release
    except httpx.HTTPError:
        return False


def words(team: Team) -> dict[str, Any]:
    """Another description: nothing is made."""
    team.git("switch", "-q", "-c", "words")
    team.edit("finetune.yaml", "SmolLM2 taught the house style", "SmolLM2 taught the house's style")
    code, found = team.plan()
    text = team.types("plan").stdout
    team.git("checkout", "-q", ".")
    return {"ok": code == 0 and found["counts"]["cosmetic"] == 1, "exit": code, "said": text}


def rank(team: Team) -> dict[str, Any]:
    """Another rank: the fine-tune and all after it, with estimates from the history."""
    team.git("switch", "-q", "-c", "rank", "main")
    team.edit("finetune.yaml", "  r: 16", "  r: 8")
    code, found = team.plan()
    states = {asset["name"]: asset["state"] for asset in found["assets"]}
    wanted = {"reply-lora": "changed", "reply-int8": "stale", "reply-quality": "stale",
              "support-canary": "stale"}  # fmt: skip
    team.planned = [name for name in wanted if name != "support-canary"]
    return {
        "ok": code == 2 and states == wanted and bool(found["totals"]["estimate"]),
        "exit": code,
        "totals": found["totals"],
        "said": team.types("plan").stdout,
    }


def comment(team: Team) -> dict[str, Any]:
    """The pull request's comment is written once, and renewed in its place."""
    team.commit("A smaller adapter")
    team.git("push", "-q", "origin", "rank")
    job = {"TIDEMILL_PROPOSAL": "rank"}
    codes = [team.types("plan", "--post", **job).returncode]
    first = _comments(team)
    team.edit("finetune.yaml", "  r: 8", "  r: 4")
    team.commit("Smaller still")
    team.git("push", "-q", "origin", "rank")
    codes.append(team.types("plan", "--post", **job).returncode)
    second = _comments(team)
    renewed = first.keys() == second.keys() and first != second
    return {
        "ok": codes == [2, 2] and len(second) == 1 and renewed,
        "exits": codes,
        "comment": next(iter(second.values()), ""),
    }


def _comments(team: Team) -> dict[str, str]:
    ref = "refs/tidemill/proposals/rank"
    team.git("fetch", "-q", "origin", f"+{ref}:{ref}")
    names = team.git("ls-tree", "-r", "--name-only", ref).splitlines()
    return {name: team.git("show", f"{ref}:{name}") for name in names if "comments/" in name}


def rows(team: Team) -> dict[str, Any]:
    """A data edit shows its rows."""
    team.git("switch", "-q", "-c", "rows", "main")
    path = team.clone / "specs" / PROJECT / "data" / "requests.jsonl"
    lines = path.read_text().splitlines()
    new = {
        **json.loads(lines[-1]),
        "customer": "c-new",
        "request": "write to ann@example.com",
    }
    path.write_text("\n".join([*lines[1:], json.dumps(new)]) + "\n")
    code, found = team.plan()
    said = team.types("plan").stdout
    team.git("checkout", "-q", ".")
    data = next((asset for asset in found["assets"] if asset["name"] == "requests"), {})
    return {
        "ok": code == 2 and data.get("state") == "changed" and "row" in said and "email" in said,
        "exit": code,
        "said": said,
    }


def merge(team: Team) -> dict[str, Any]:
    """After the merge, what the plan named is made, and nothing else."""
    before = team.made()
    team.git("switch", "-q", "main")
    team.git("merge", "-q", "--no-ff", "--no-edit", "rank")
    team.git("push", "-q", "origin", "main")
    synced = team.types("sync", "--once")
    served = team.until(lambda: team.live() not in (None, team.former))
    made = team.made()[len(before) :]
    return {
        "ok": served and sorted(made) == sorted(team.planned),
        "sync": synced.stdout.strip(),
        "planned": team.planned,
        "made": made,
        "release": team.live(),
    }


def revert(team: Team) -> dict[str, Any]:
    """The revert brings the former release back, and trains nothing."""
    before = team.made()
    team.git("revert", "--no-edit", "-m", "1", "HEAD")
    team.git("push", "-q", "origin", "main")
    synced = team.types("sync", "--once")
    served = team.until(lambda: team.live() == team.former)
    made = team.made()[len(before) :]
    return {"ok": served and made == [], "sync": synced.stdout.strip(), "made": made}


def broken(team: Team) -> dict[str, Any]:
    """A commit that is no valid spec is refused; users go on as before."""
    team.edit("rollout.yaml", "of: reply-int8", "of: repy-int8")
    team.commit("A slip of the pen")
    team.git("push", "-q", "origin", "main")
    synced = team.types("sync", "--once")
    live = team.answers()
    status = team.types("status").stdout
    team.git("revert", "--no-edit", "HEAD")
    team.git("push", "-q", "origin", "main")
    mended = team.types("sync", "--once")
    ok = synced.returncode == 1 and "did you mean 'reply-int8'?" in synced.stderr
    return {
        "ok": ok and live == team.former == team.answers() and mended.returncode in (0, 2),
        "sync": synced.stderr.strip(),
        "status": [line for line in status.splitlines() if "refused" in line],
    }


def unsigned(team: Team) -> dict[str, Any]:
    """Where signatures are asked for, an unsigned commit is refused and a signed one is not."""
    key = team.folder / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(key)]
    subprocess.run(make, check=True)
    allowed = team.folder / "allowed"
    allowed.write_text(f"ada@example.com {key.with_suffix('.pub').read_text()}")
    policy = {"TIDEMILL_SIGNATURES": "require", "TIDEMILL_ALLOWED_SIGNERS": str(allowed)}
    team.types("down")
    team.environment |= policy
    team.types("up")
    team.until(lambda: _serves(team, team.former), asking=False)
    team.edit("finetune.yaml", "  r: 16", "  r: 12")
    team.commit("Nobody signed this")
    team.git("push", "-q", "origin", "main")
    refused = team.types("sync", "--once")
    live = team.answers()
    team.git("reset", "-q", "--hard", "HEAD~1")
    team.git("config", "gpg.format", "ssh")
    team.git("config", "user.signingkey", str(key))
    team.edit("finetune.yaml", "SmolLM2 taught the house style", "SmolLM2, taught the house style")
    team.commit("Ada signed this", "-S")
    team.git("push", "-q", "--force", "origin", "main")
    taken = team.types("sync", "--once")
    return {
        "ok": refused.returncode == 1 and live == team.former and taken.returncode in (0, 2),
        "refused": refused.stderr.strip(),
        "taken": taken.stdout.strip(),
    }


STORY = (first_release, words, rank, comment, rows, merge, revert, broken, unsigned)
