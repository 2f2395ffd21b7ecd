"""`tidemill status`: Git, ledger and live side by side, and each drift by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.adapters.kube import Kube, kubeconfig, serve
from tests.adapters.places import SERVICE, Shop, git
from tests.records import release_record

from tidemill.adapters.kserve.manifests import render
from tidemill.cli import commands
from tidemill.records import RolloutUpdate
from tidemill.spec.rollout import Rollout
from tidemill.terminal.shell import run

ONE, TWO = ("sha256:" + letter * 64 for letter in "ab")


@contextmanager
def gateway(shares: dict[str, float]) -> Iterator[int]:
    """What the gateway says of its arms."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            arms = [{"release": name, "percent": percent} for name, percent in shares.items()]
            body = json.dumps({SERVICE: {"arms": arms}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int) -> Shop:
    """`a` is live and locked; no gateway runs."""
    shop = Shop.open(tmp_path)
    monkeypatch.setenv("TIDEMILL_SPECS", str(shop.work / "specs"))
    monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", str(free_port))
    monkeypatch.setenv("TIDEMILL_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in ("TIDEMILL_HOME", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    shop.go_live(shop.release("a"))
    assert run(commands, ["lock", "--commit"]) == 0
    return shop


@pytest.fixture
def look(capsys: pytest.CaptureFixture[str]) -> Any:
    """`tidemill status --json`: the one service, and the names of its drift."""

    def look() -> tuple[dict[str, Any], list[str]]:
        capsys.readouterr()
        assert run(commands, ["status", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["trouble"] == ""
        (one,) = found["standings"]
        return one, [drift["kind"] for drift in one["drift"]]

    return look


def text(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(commands, ["status"]) == 0
    return capsys.readouterr().out


def test_three_sides_that_say_the_same_stand_side_by_side(
    shop: Shop, look: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    one, drift = look()
    out = text(capsys)

    assert one["git"]["release"] == one["ledger"]["release"] == ONE
    assert one["live"]["shares"] is None
    assert drift == []
    assert "chat                    aaaaaaaaaaaa   aaaaaaaaaaaa   unknown: the gateway" in out
    assert "no drift" in out


def test_a_release_that_git_does_not_know_yet_is_drift(
    shop: Shop, look: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.go_live(shop.release("b"))

    assert look()[1] == ["lock behind"]
    assert "drift: lock behind: the lock file names aaaaaaaaaaaa, but bbbbbbbbbbbb is live" in text(
        capsys
    )


def test_a_lock_that_is_not_committed_does_not_count(shop: Shop, look: Any) -> None:
    shop.go_live(shop.release("b"))
    run(commands, ["lock"])

    assert look()[1] == ["lock behind"]
    run(commands, ["lock", "--commit"])
    assert look()[1] == []


def test_a_spec_counts_once_it_is_committed(
    shop: Shop, look: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shop.project / "tune.yaml"
    path.write_text(path.read_text() + "options: {r: 4}\n")
    assert look()[1] == []

    shop.commit("Another rank")
    assert look()[1] == ["specs ahead"]
    assert "specs ahead: tune changed since release aaaaaaaaaaaa" in text(capsys)
    assert git(shop.work, "worktree", "list", "--porcelain").count("worktree ") == 1


def test_a_description_is_no_drift(shop: Shop, look: Any) -> None:
    path = shop.project / "tune.yaml"
    path.write_text(path.read_text() + "description: as it was\n")
    shop.commit("Words")

    assert look()[1] == []


def test_a_lock_with_conflict_markers_is_named_with_its_line(shop: Shop, look: Any) -> None:
    shop.lock.write_text("<<<<<<< ours\n" + shop.lock.read_text())
    shop.commit("Badly merged")
    one, drift = look()

    assert drift == ["lock unreadable"]
    assert "tidemill.lock:1: an unresolved merge conflict" in one["git"]["trouble"]


def test_specs_that_cannot_be_used_leave_the_rest_to_be_seen(shop: Shop, look: Any) -> None:
    (shop.project / "tune.yaml").write_text("nonsense\n")
    shop.commit("Broken")

    assert look()[1] == []


def test_what_the_gateway_serves_is_held_against_the_ledger(
    shop: Shop, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = shop.ask(shop.release("b"))
    change = RolloutUpdate("promote", "on", state="running", percent=10.0)
    shop.home().ledger.rollouts.record_decision(key, change, shop.home().clock.now())
    with gateway({ONE: 90, TWO: 10}) as port:
        monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", str(port))
        one, drift = look()
        assert one["live"]["shares"] == {ONE: 90, TWO: 10}
        assert drift == ["live down", "live down"]  # no model server runs here
    with gateway({ONE: 100}) as port:
        monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", str(port))
        assert look()[1] == ["live differs", "live down"]


def test_artefacts_that_are_gone_or_changed_are_named(shop: Shop, look: Any) -> None:
    record = shop.home().ledger.materialisations.release(ONE)
    assert record is not None
    store = shop.home().store
    file = store.get(record.artefacts["reply-int8"].digest).path / "file"
    file.chmod(0o644)
    file.write_text("other bytes")
    assert look()[1] == ["artefact tampered"]

    store.drop(record.artefacts["reply-int8"].digest)
    assert look()[1] == ["artefact missing"]


def test_a_service_whose_project_was_deleted_is_still_seen(shop: Shop, look: Any) -> None:
    git(shop.work, "rm", "-r", "--quiet", "specs/support-chat")
    (shop.work / "specs").mkdir(exist_ok=True)
    (shop.work / "specs" / "README.md").write_text("empty\n")
    shop.commit("No chat any more")

    assert look()[1] == ["lock missing", "specs ahead"]


def on_cluster(shop: Shop) -> None:
    shop.go_live(shop.release("b"), driver="kserve-standard")
    run(commands, ["lock", "--commit"])


def test_a_cluster_is_asked_where_one_is_configured(
    shop: Shop, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cluster(shop)
    one, drift = look()
    assert one["live"]["why"] == "not reachable from here: no KUBECONFIG"
    assert drift == []

    spec = shop.home().project("support-chat").specs["rollout"].spec
    assert isinstance(spec, Rollout)
    there = spec.model_copy(update={"driver": "kserve-standard"})
    kube = Kube()
    with serve(kube) as server:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(shop.root, server)))
        kube.apply(("llm", SERVICE), render(there, 100, release_record(digest=TWO)), "tidemill")
        assert look()[0]["live"]["shares"] == {TWO: 100}
        assert look()[1] == []
        kube.apply(("llm", SERVICE), render(there, 100, release_record(digest=ONE)), "tidemill")
        assert look()[1] == ["live differs"]


def test_a_cluster_that_does_not_answer_is_said_to_be_unseen(
    shop: Shop, look: Any, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    on_cluster(shop)
    away = kubeconfig(shop.root, f"http://127.0.0.1:{free_port}")
    monkeypatch.setenv("KUBECONFIG", str(away))
    one, drift = look()
    assert "does not answer" in one["live"]["why"]
    assert drift == []

    away.write_text("- nonsense\n")
    assert "cannot be used" in look()[0]["live"]["why"]


def test_outside_git_ledger_and_live_are_compared_all_the_same(
    shop: Shop, look: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop.work / ".git").rename(shop.root / "elsewhere")

    assert look()[1] == []
    assert "no commit" in text(capsys)


def test_a_home_that_was_never_used_has_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMILL_SPECS", str(tmp_path / "specs"))
    assert run(commands, ["status", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["standings"] == []
    assert not (tmp_path / ".tidemill").exists()
