"""The component: a user adds a project to a code location of their own from a `defs.yaml`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import dagster as dg
import pytest
from tests.assets.conftest import FILES

import tidemill_assets

DEFS = """type: tidemill_assets.TidemillProject
attributes:
  specs: models/specs
  home: state
"""
OWN = """import dagster as dg

@dg.asset(key=["desk", "rows"])
def rows() -> None: ...

@dg.asset
def dashboard() -> None: ...
"""
Load = Callable[[], dg.RepositoryDefinition]


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """A dg project as `create-dagster project` lays it out, with specs beside it."""
    folder = tmp_path / "shop"
    package = folder / "src" / "shop_pipelines"
    (package / "defs" / "learning").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "shop_pipelines"\n'
    )
    (package / "__init__.py").touch()
    (package / "defs" / "__init__.py").touch()
    (package / "defs" / "learning" / "defs.yaml").write_text(DEFS)
    for project in ("desk", "other"):
        specs = folder / "models" / "specs" / project
        (specs / "weights").mkdir(parents=True)
        (specs / "weights" / "model.safetensors").write_bytes(b"")
        for name, text in FILES.items():
            (specs / name).write_text(text.replace("desk", project))
    return folder


@pytest.fixture
def load(location: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """The definitions that Dagster would load for the location."""
    monkeypatch.syspath_prepend(location / "src")
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)

    def loaded() -> dg.RepositoryDefinition:
        return dg.load_from_defs_folder(path_within_project=location).get_repository_def()

    yield loaded
    for name in [name for name in sys.modules if name.startswith("shop_pipelines")]:
        del sys.modules[name]


def more(location: Path, lines: str, folder: str = "learning") -> None:
    """Add attributes to the component."""
    place = location / "src" / "shop_pipelines" / "defs" / folder
    place.mkdir(exist_ok=True)
    (place / "defs.yaml").write_text(DEFS + lines)


def keys(found: dg.RepositoryDefinition) -> set[str]:
    return {node.key.to_user_string() for node in found.asset_graph.asset_nodes}


def sensors(found: dg.RepositoryDefinition) -> set[str]:
    return {sensor.name for sensor in found.sensor_defs}


def test_the_component_is_where_dg_list_components_looks() -> None:
    registered = entry_points(group="dagster_dg_cli.registry_modules", name="tidemill")

    assert {entry.value for entry in registered} == {"tidemill_assets"}
    assert "TidemillProject" in tidemill_assets.__all__
    assert issubclass(tidemill_assets.TidemillProject, dg.Component)


def test_dg_list_components_shows_it(location: Path) -> None:
    pytest.importorskip("dagster_dg_cli")
    environment = {**os.environ, "DG_CLI_CONFIG": "/dev/null", "COLUMNS": "200"}

    dg_cli = [sys.executable, "-m", "dagster_dg_cli.cli", "list", "components", "--json"]
    told = subprocess.run(dg_cli, cwd=location, env=environment, capture_output=True, text=True)

    assert "tidemill_assets.TidemillProject" in told.stdout


def test_every_attribute_is_explained_to_who_writes_the_yaml() -> None:
    model = tidemill_assets.TidemillProject.get_model_cls()
    assert model is not None
    told = model.model_json_schema()["properties"]

    assert set(told) == {"specs", "projects", "home", "key_prefix"}
    assert all(field.get("description") for field in told.values())


def test_a_defs_yaml_brings_assets_checks_and_sensors(load: Load, location: Path) -> None:
    found = load()

    assert {"desk/rows", "desk/tune", "desk/release", "other/rows"} <= keys(found)
    assert sensors(found) == {"desk_triggers", "other_triggers", "git_changes"}
    checks = found.asset_graph.get_check_keys_for_assets({dg.AssetKey(["desk", "rows"])})
    assert "minimum_rows" in {check.name for check in checks}
    assert not (location / "state").exists()


def test_only_the_named_projects_come(load: Load, location: Path) -> None:
    more(location, "  projects: [desk]\n")

    found = load()

    assert {key.split("/")[0] for key in keys(found)} == {"desk"}
    assert sensors(found) == {"desk_triggers", "git_changes"}


def test_a_prefix_keeps_them_apart_from_assets_of_the_same_name(load: Load, location: Path) -> None:
    (location / "src/shop_pipelines/defs/own.py").write_text(OWN)
    more(location, "  projects: [desk]\n  key_prefix: [ml, tidemill]\n")

    found = load()

    assert {"desk/rows", "dashboard", "ml/tidemill/desk/rows"} <= keys(found)
    assert sensors(found) == {"ml_tidemill_desk_triggers", "ml_tidemill_git_changes"}
    tune = found.asset_graph.get(dg.AssetKey(["ml", "tidemill", "desk", "tune"]))
    assert dg.AssetKey(["ml", "tidemill", "desk", "rows"]) in tune.parent_keys


def test_without_a_prefix_the_same_name_is_refused(load: Load, location: Path) -> None:
    (location / "src/shop_pipelines/defs/own.py").write_text(OWN)

    with pytest.raises(dg.DagsterInvalidDefinitionError, match="rows"):
        load()


def test_two_of_them_live_side_by_side_with_prefixes(load: Load, location: Path) -> None:
    more(location, "  projects: [desk]\n  key_prefix: a\n")
    more(location, "  projects: [other]\n  key_prefix: b\n", folder="second")

    found = load()

    assert {"a/desk/rows", "b/other/rows"} <= keys(found)
    assert {"a_git_changes", "b_git_changes"} <= sensors(found)


def test_an_asset_of_it_is_made_in_the_users_location(
    load: Load, location: Path, instance: dg.DagsterInstance
) -> None:
    more(location, "  projects: [desk]\n  key_prefix: ml\n")
    found = load()

    rows = dg.AssetKey(["ml", "desk", "rows"])
    result = dg.materialize(
        list(found.assets_defs_by_key.values()), selection=[rows], instance=instance
    )

    assert result.success
    assert instance.get_latest_materialization_event(rows) is not None
    assert (location / "state" / "ledger.db").is_file()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("  projects: [dekk]\n", "no project is called 'dekk'; did you mean 'desk'?"),
        ("  spec: x\n", "spec"),
    ],
)
def test_a_mistake_in_the_yaml_is_told(
    load: Load, location: Path, lines: str, message: str
) -> None:
    more(location, lines)

    with pytest.raises(Exception) as caught:
        load()

    told, error = "", caught.value
    while error is not None:
        told, error = f"{told}\n{error}", error.__cause__ or error.__context__
    assert message in told


def test_a_broken_spec_is_told_with_its_line(load: Load, location: Path) -> None:
    (location / "models/specs/desk/rows.yaml").write_text("kind: Dataset\n")

    with pytest.raises(Exception) as caught:
        load()

    told, error = "", caught.value
    while error is not None:
        told, error = f"{told}\n{error}", error.__cause__ or error.__context__
    assert "rows.yaml:1: this is no spec: it has no 'apiVersion'" in told
