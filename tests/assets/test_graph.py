"""The asset graph: pinned, so that a changed edge is seen in review and not in production."""

from __future__ import annotations

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from tidemill.engine.check_names import gate_names
from tidemill.home import Home
from tidemill.pipeline.context import Check
from tidemill.settings import Settings
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.load import load
from tidemill_assets import display
from tidemill_assets.definitions import definitions

SPECS = Path(__file__).parents[2] / "specs"
SNAPSHOT = Path(__file__).with_name("graph.json")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    home = tmp_path_factory.mktemp("home")
    return definitions(Home(Settings.read({"TIDEMILL_HOME": str(home)}, specs=SPECS)))


def graph(loaded: dg.Definitions) -> dict[str, list[str]]:
    """Asset key → keys of its parents."""
    assets = loaded.get_repository_def().asset_graph
    return {
        node.key.to_user_string(): sorted(parent.to_user_string() for parent in node.parent_keys)
        for node in sorted(assets.asset_nodes, key=lambda node: node.key)
    }


def test_the_graph_is_the_one_that_was_reviewed(loaded: dg.Definitions) -> None:
    found = graph(loaded)
    if os.environ.get("TIDEMILL_WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(json.dumps(found, indent=1) + "\n")

    assert found == json.loads(SNAPSHOT.read_text())


def test_every_spec_is_an_asset_in_its_projects_group(loaded: dg.Definitions) -> None:
    nodes = list(loaded.get_repository_def().asset_graph.asset_nodes)

    specs = list(SPECS.glob("*/*.yaml"))
    assert len(nodes) == len(specs)
    assert {n.group_name for n in nodes} == {"support_chat", "product_recs", "legal_summaries"}


def test_an_asset_carries_its_spec_as_code_version(loaded: dg.Definitions) -> None:
    nodes = loaded.get_repository_def().asset_graph.asset_nodes

    assert all(len(node.code_version or "") == 16 for node in nodes)


def test_gates_and_expectations_are_blocking_checks(loaded: dg.Definitions) -> None:
    assets = loaded.get_repository_def().asset_graph
    key = dg.AssetKey(["support-chat", "reply-quality"])

    checks = {
        check.name: assets.get_check_spec(check).blocking
        for check in assets.get_check_keys_for_assets({key})
    }

    assert checks["accuracy_at_least"]
    assert [name for name, blocks in checks.items() if not blocks] == ["trivial_baselines"]


def test_an_evaluation_from_before_a_check_existed_is_reused_and_says_so() -> None:
    spec = load(SPECS).projects["support-chat"].spec("reply-quality", Evaluation)
    gates = [Check(name, True, "") for name in gate_names(spec.gates)]
    *_, forgetting, trivial = display.named_checks(spec, gates)

    assert (forgetting.name, forgetting.passed) == ("forgetting", True)
    assert (trivial.name, trivial.message) == (
        "trivial_baselines",
        "built before there was this check",
    )
    assert not display.named_checks(spec, [])[0].passed


def test_sensors_watch_git_and_every_project_with_triggers(loaded: dg.Definitions) -> None:
    names = {sensor.name for sensor in loaded.get_repository_def().sensor_defs}

    assert names == {
        "git_changes",
        "support_chat_triggers",
        "product_recs_triggers",
        "legal_summaries_triggers",
    }


def test_a_label_that_is_no_tag_is_shown_and_breaks_nothing(home: Home) -> None:
    path = home.settings.specs / "desk" / "rows.yaml"
    labels = "labels: {hub: owner/data set, team: desk}\n"
    path.write_text(path.read_text().replace("format:", f"{labels}format:"))

    loaded = definitions(Home(home.settings)).get_repository_def().asset_graph
    rows = loaded.get(dg.AssetKey(["desk", "rows"]))
    assert rows.tags["tidemill/team"] == "desk"
    assert "tidemill/hub" not in rows.tags
    assert rows.metadata["label hub"] == "owner/data set"
