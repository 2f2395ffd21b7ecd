"""Releases on a cluster: applied as one, waited for, read back; every refusal with its way out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.kube import TOKEN, Kube, kubeconfig, serve
from tests.adapters.test_kserve import LIVE, NEW, rollout

from tidemill.adapters.kserve.deployer import KServeDeployer, ManifestSource
from tidemill.adapters.kserve.kubernetes import connect
from tidemill.errors import ServiceError
from tidemill.ports import Arm, ArmHealth

CHAT, KEY = "support-chat", ("llm", "support-chat")
ONE, TWO = LIVE.digest, NEW.digest
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DRIVERS = ["kserve-standard", "kserve-knative"]


class Stage:
    """A cluster, and the ledger's part as two variables."""

    def __init__(self, kube: Kube, path: Path) -> None:
        self.kube, self.path = kube, path
        self.live: str | None = None
        self.driver = "kserve-standard"
        self.patience = 20.0
        """Seconds to wait; a test whose cluster never follows makes them few."""

    @property
    def deployer(self) -> KServeDeployer:
        api = connect(self.path)
        assert api is not None
        known = ManifestSource(
            rollout_spec=lambda _: rollout(self.driver),
            find_release=lambda digest: {ONE: LIVE, TWO: NEW}.get(digest),
            live_release=lambda _: self.live,
            health=lambda service, since: {ONE: ArmHealth(7)} if since == NOW else {},
        )
        return KServeDeployer(
            api,
            known,
            ready_timeout=self.patience,
            settle_timeout=self.patience,
            poll_interval=0.01,
        )

    def start(self, release: str) -> Arm:
        return self.deployer.start(CHAT, release, Path("unused"))

    def walk(self, percent: float) -> None:
        self.deployer.set_traffic(CHAT, [Arm(ONE, 100 - percent), Arm(TWO, percent)])


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    kube = Kube()
    with serve(kube) as server:
        yield Stage(kube, kubeconfig(tmp_path, server))


@pytest.fixture(params=DRIVERS)
def live(stage: Stage, request: pytest.FixtureRequest) -> Stage:
    """`one` is live on a cluster of this mode."""
    stage.driver = request.param
    stage.start(ONE)
    stage.live = ONE
    return stage


def test_the_first_release_gets_the_service(stage: Stage) -> None:
    arm = stage.start(ONE)

    assert arm == Arm(ONE, 0.0, "http://support-chat.example")
    assert stage.deployer.traffic_shares(CHAT) == {ONE: 100}


def test_a_candidate_is_dark_then_gets_its_shares_and_then_everything(live: Stage) -> None:
    live.start(TWO)
    seen = [live.deployer.traffic_shares(CHAT)]
    for percent in (10, 50):
        live.walk(percent)
        seen.append(live.deployer.traffic_shares(CHAT))
    live.walk(100)
    live.deployer.set_traffic(CHAT, [Arm(TWO, 100)])

    assert seen == [{ONE: 100, TWO: 0}, {ONE: 90, TWO: 10}, {ONE: 50, TWO: 50}]
    assert live.deployer.traffic_shares(CHAT) == {TWO: 100}


def test_a_rollback_takes_the_candidate_away(live: Stage) -> None:
    live.start(TWO)
    live.walk(10)
    live.deployer.set_traffic(CHAT, [Arm(ONE, 100)])
    live.deployer.stop(CHAT, TWO)

    assert live.deployer.traffic_shares(CHAT) == {ONE: 100}


def test_what_is_there_already_is_not_applied_again(live: Stage) -> None:
    live.start(TWO)
    live.walk(10)
    before = len(live.kube.applied)
    for _ in range(3):  # every tick starts both and splits
        live.start(ONE)
        live.start(TWO)
        live.walk(10)

    assert len(live.kube.applied) == before
    assert live.deployer.traffic_shares(CHAT) == {ONE: 90, TWO: 10}


def test_a_start_waits_until_the_cluster_has_followed(stage: Stage) -> None:
    stage.kube.slow = 5

    assert stage.start(ONE).url


def test_an_old_status_says_nothing_of_the_new_spec(live: Stage) -> None:
    live.start(TWO)
    live.kube.slow, live.patience = 10_000, 0.1

    with pytest.raises(ServiceError, match="KServe has not processed the last change yet"):
        live.walk(10)


def test_what_does_not_become_ready_says_why(stage: Stage) -> None:
    stage.kube.stuck, stage.patience = "Insufficient memory", 0.1

    with pytest.raises(ServiceError, match=r"Ready is False \(Insufficient memory\)"):
        stage.start(ONE)


def test_a_split_that_is_not_as_asked_for_is_an_error(live: Stage) -> None:
    live.start(TWO)
    live.kube.shares, live.patience = 40, 0.1

    with pytest.raises(ServiceError, match="the candidate has 40 %"):
        live.walk(10)
    live.kube.shares, live.patience = None, 20
    live.walk(50)
    assert live.deployer.traffic_shares(CHAT) == {ONE: 50, TWO: 50}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"owners": {KEY: "argocd"}}, 'another field manager owns fields of it .*"argocd"'),
        ({"forbidden": True}, "not allowed .* give the account get and patch"),
        ({"installed": False}, "no such kind .* install KServe 0.20"),
        ({"webhook": "canary needs Standard"}, "refuses the manifest .*canary needs Standard"),
    ],
    ids=["conflict", "forbidden", "not installed", "refused"],
)
def test_a_refusal_is_told_with_the_way_out(stage: Stage, fault: dict[str, Any], said: str) -> None:
    stage.start(ONE)
    stage.live = ONE
    for name, value in fault.items():
        setattr(stage.kube, name, value)

    with pytest.raises(ServiceError, match=said):
        stage.walk(10)
    assert len(stage.kube.applied) == 1


def test_a_release_with_traffic_is_not_stopped(live: Stage) -> None:
    with pytest.raises(ServiceError, match="has traffic"):
        live.deployer.stop(CHAT, ONE)


def test_health_comes_from_the_inference_events(stage: Stage) -> None:
    assert stage.deployer.health(CHAT, NOW) == {ONE: ArmHealth(7)}


def test_a_shadow_a_third_release_and_a_lost_record_are_refused(stage: Stage) -> None:
    stage.start(ONE)
    with pytest.raises(ServiceError, match="cannot mirror requests"):
        stage.deployer.set_traffic(CHAT, [Arm(ONE, 100)], shadow=True)
    with pytest.raises(ServiceError, match="between two releases, not 3"):
        stage.deployer.set_traffic(CHAT, [Arm(ONE, 50), Arm(TWO, 25), Arm(TWO, 25)])
    with pytest.raises(ServiceError, match="no record of release sha256:nothing"):
        stage.deployer.set_traffic(CHAT, [Arm("sha256:nothing", 100)])


def test_a_cluster_that_went_away_is_told(stage: Stage, free_port: int) -> None:
    kubeconfig(stage.path.parent, f"http://127.0.0.1:{free_port}")

    with pytest.raises(ServiceError, match=r"does not answer .* check KUBECONFIG"):
        stage.start(ONE)


PAST = "2026-01-01T00:00:00Z"
EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}


def plugin_of(code: str) -> dict[str, Any]:
    """A credential plugin of a kubeconfig that runs some Python."""
    return {"apiVersion": EXEC["apiVersion"], "command": sys.executable, "args": ["-c", code]}


def user(tmp_path: Path, how: str) -> dict[str, Any]:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    said = json.dumps({**EXEC, "status": {"token": TOKEN}})
    plugin = plugin_of(f"print({said!r})")
    return {"token": {"token": TOKEN}, "file": {"tokenFile": "token"}, "plugin": {"exec": plugin}}[
        how
    ]


@pytest.mark.parametrize("how", ["token", "file", "plugin"])
def test_a_token_comes_from_the_kubeconfig_a_file_or_a_plugin(
    stage: Stage, tmp_path: Path, how: str
) -> None:
    server = connect(stage.path)
    assert server is not None
    kubeconfig(tmp_path, server.server, **user(tmp_path, how))

    assert stage.start(ONE)
    assert TOKEN not in repr(vars(server))


def test_a_token_that_ran_out_is_told_and_not_shown(stage: Stage, tmp_path: Path) -> None:
    server = connect(stage.path)
    assert server is not None
    kubeconfig(tmp_path, server.server, token="former")

    with pytest.raises(ServiceError, match="renew the token in KUBECONFIG") as caught:
        stage.start(ONE)
    assert "former" not in str(caught.value)


BREAK: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "not YAML": lambda path: path.write_text("a: [b"),
    "no context": lambda path: path.write_text("current-context: x\ncontexts: []\n"),
    "a list": lambda path: path.write_text("- a\n"),
}


@pytest.mark.parametrize("name", BREAK)
def test_a_kubeconfig_that_cannot_be_used_is_told(stage: Stage, name: str) -> None:
    BREAK[name](stage.path)

    with pytest.raises(ServiceError, match=r"the kubeconfig .* cannot be used"):
        connect(stage.path)


def test_a_failing_plugin_says_what_it_said(stage: Stage, tmp_path: Path) -> None:
    plugin = plugin_of("import sys; sys.exit('log in first')")
    kubeconfig(tmp_path, "http://127.0.0.1:1", exec=plugin)

    with pytest.raises(ServiceError, match="log in first"):
        connect(stage.path)


def test_a_token_that_runs_out_is_renewed_by_its_plugin(stage: Stage, tmp_path: Path) -> None:
    server = connect(stage.path)
    assert server is not None
    token = tmp_path / "issued"
    token.write_text("former")
    status = f"{{'token': open({str(token)!r}).read(), 'expirationTimestamp': '{PAST}'}}"
    code = f"import json; print(json.dumps({{**{EXEC!r}, 'status': {status}}}))"
    kubeconfig(tmp_path, server.server, exec=plugin_of(code))
    api = connect(stage.path)
    assert api is not None
    with pytest.raises(ServiceError, match="renew the token"):
        api.get(CHAT)

    token.write_text(TOKEN)

    assert api.get(CHAT) is None


def test_without_a_kubeconfig_and_outside_a_pod_there_is_no_cluster() -> None:
    assert connect(None) is None


def test_in_a_pod_its_service_account_names_cluster_and_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    for name, text in {"token": "t", "ca.crt": "c", "namespace": "llm\n"}.items():
        (tmp_path / name).write_text(text)
    services, other = connect(None, pod=tmp_path), connect(None, "other", tmp_path)
    assert services is not None
    assert other is not None

    assert (services.server, services.namespace) == ("https://[fd00::1]:443", "llm")
    assert other.namespace == "other"

    (tmp_path / "ca.crt").unlink()
    with pytest.raises(ServiceError, match=r"this pod's service account .* cannot be used"):
        connect(None, pod=tmp_path)
