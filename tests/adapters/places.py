"""A home whose specs lie in a real Git repository, with releases really put in a store."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.records import release_record
from tests.spec.conftest import write_project

from tidemill.home import Home
from tidemill.records import RolloutUpdate
from tidemill.settings import Settings
from tidemill.spec.digest import spec_digest

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE, PROJECT = "chat", "support-chat"
ANN = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@shop.example"}


def git(folder: Path, *arguments: str, who: str = "bob") -> str:
    """Run Git as somebody; no setting of this machine plays in."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_NAME": who.title() for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": f"{who}@shop.example" for role in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass
class Shop:
    """One service of one project, in a repository with a bare remote."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Shop:
        """Specs committed and pushed by Bob."""
        shop = cls(root)
        shop.work.mkdir(parents=True)
        git(root, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git")
        git(shop.work, "init", "--quiet", "--initial-branch=main")
        git(shop.work, "remote", "add", "origin", str(root / "remote.git"))
        for key, value in (("user.email", "bob@shop.example"), ("user.name", "Bob")):
            git(shop.work, "config", key, value)
        write_project(shop.work / "specs" / PROJECT)
        (shop.work / ".gitignore").write_text(".tidemill/\n")
        shop.commit("The specs")
        git(shop.work, "push", "--quiet", "-u", "origin", "main")
        return shop

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def project(self) -> Path:
        return self.work / "specs" / PROJECT

    @property
    def lock(self) -> Path:
        return self.project / "tidemill.lock"

    def home(self, **environment: str) -> Home:
        """The home, its specs read anew."""
        named = {"TIDEMILL_SPECS": str(self.work / "specs"), **environment}
        return Home(Settings.read({"TIDEMILL_GATEWAY_PORT": "1", **named}))

    def commit(self, message: str, who: str = "bob") -> str:
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--message", message, who=who)
        return git(self.work, "rev-parse", "HEAD")

    def release(self, letter: str, **fields: Any) -> str:
        """Put a release's bytes into the store and its record into the ledger."""
        home, head = self.home(), git(self.work, "log", "-1", "--format=%H%n%an <%ae>")
        sha, author = head.splitlines()
        bytes_ = {}
        for name, kind in (("reply-int8", "int8"), ("requests", "dataset"), ("quality", "report")):
            folder = self.root / f"{name}-{letter}"
            folder.mkdir()
            (folder / "file").write_text(f"{name} {letter}")
            bytes_[name] = home.store.put(folder, kind=kind)
        project = home.project(PROJECT)
        names = ("base", "requests", "reply", "tune", "reply-int8", "quality", "rollout")
        measure = {"metric": "accuracy", "value": 0.9, "low": 0.8, "high": 0.95, "rows": 200}
        record = release_record(
            **{
                "digest": f"sha256:{letter * 64}",
                "project": PROJECT,
                "service": SERVICE,
                "rollout": "rollout",
                "specs": {name: spec_digest(project.specs[name], project) for name in names},
                "model": bytes_["reply-int8"].digest,
                "prompt": None,
                "artefacts": {
                    name: {"digest": a.digest, "kind": a.kind, "bytes": a.bytes, "meta": {}}
                    for name, a in bytes_.items()
                },
                "bases": [],
                "dataset": {
                    "name": "requests",
                    "digest": bytes_["requests"].digest,
                    "offsets": {"chat-feedback/0": 7},
                    "rows": {"train": 80, "test": 20},
                },
                "seed": 0,
                "commit": {
                    "sha": sha,
                    "author": author,
                    "when": NOW.isoformat(),
                    "subject": "",
                    "dirty": False,
                },
                "evaluation": {
                    "name": "quality",
                    "digest": bytes_["quality"].digest,
                    "measures": [measure],
                    "checks": [
                        {"name": "g", "passed": True, "message": "accuracy is at least 0.8"}
                    ],
                },
                "tools": {},
                "approved_by": [],
                "created": NOW.isoformat(),
                **fields,
            }
        )
        home.ledger.materialisations.add_release(record)
        return record.digest

    def ask(self, release: str, **spec: Any) -> int:
        """Ask for its rollout, as the Rollout asset does."""
        home = self.home()
        values = home.project(PROJECT).specs["rollout"].spec.model_dump(mode="json", by_alias=True)
        folder = self.root / "releases" / release[7:31]
        folder.mkdir(parents=True, exist_ok=True)
        return home.ledger.rollouts.request(SERVICE, release, str(folder), {**values, **spec}, NOW)

    def go_live(self, release: str, **spec: Any) -> None:
        """As the controller does at the end of a rollout."""
        change = RolloutUpdate("done", "every step went well", state="live", percent=100.0)
        self.home().ledger.rollouts.record_decision(self.ask(release, **spec), change, NOW)
