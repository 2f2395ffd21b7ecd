"""The layout: what must be where, and what must never be there."""

from __future__ import annotations

import ast
import os
import platform
import re
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

from tidemill import entry_points
from tidemill.adapters.store.remote import default_remote

ROOT = Path(__file__).parent.parent
CODE = [*(ROOT / "platform").rglob("*.py"), *(ROOT / "assets").rglob("*.py")]


def test_the_standard_library_owns_the_name_platform() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert not hasattr(platform, "__path__")
    assert Path(str(platform.__file__)).name == "platform.py"


def test_no_test_lives_under_platform_or_assets() -> None:
    strays = [p for p in CODE if p.name.startswith("test_") or p.name == "conftest.py"]

    assert not strays


def test_no_module_holds_two_ideas() -> None:
    long = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in CODE}

    assert {path: lines for path, lines in long.items() if lines > 400} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "helpers", "misc", "common", "backup", "fixed", "simple"}

    assert not [p for p in CODE if p.stem.strip("_") in drawers]


def test_every_module_opens_with_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT))
        for p in CODE
        if p.read_text().strip() and not p.read_text().lstrip().startswith('"""')
    ]

    assert silent == []


def test_the_top_level_is_the_contract() -> None:
    folders = {"platform", "assets", "specs", "infra", "tests", ".dvc"}
    files = {"pyproject.toml", "README.md"}

    assert folders <= {p.name for p in ROOT.iterdir() if p.is_dir()}
    assert files <= {p.name for p in ROOT.iterdir() if p.is_file()}


def test_a_fresh_clone_is_a_dvc_repository_with_a_remote_and_nothing_to_pull(
    tmp_path: Path,
) -> None:
    clone = tmp_path / "clone"
    git = ["git", "clone", "--quiet", "--depth=1", ROOT.as_uri(), str(clone)]
    subprocess.run(git, check=True, capture_output=True)
    environment = {**os.environ, "DVC_SITE_CACHE_DIR": str(tmp_path / "site")}

    def dvc(*arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        done = subprocess.run(
            command, cwd=clone, capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout

    assert (clone / ".dvcignore").is_file()
    assert default_remote(clone) == str((tmp_path / "tidemill-artefacts").resolve())
    assert "no data or pipelines tracked" in dvc("status")
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=clone) == b""


def test_import_tidemill_brings_no_heavy_package() -> None:
    heavy = "torch transformers dagster pandas great_expectations dvc kserve onnxruntime kafka"
    code = (
        "import sys, tidemill, tidemill.cli, tidemill.spec.load\n"
        f"print([m for m in {heavy.split()!r} if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def started_by_name() -> dict[str, str]:
    return {name: value for name, value in vars(entry_points).items() if name.isupper()}


def test_every_module_that_is_started_by_name_exists_and_can_be_started() -> None:
    sources = {
        name: find_spec(f"{module}.__main__" if module == "tidemill" else module)
        for name, module in started_by_name().items()
    }

    assert {n for n, s in sources.items() if s is None or "__name__" not in source_of(s)} == set()


def test_no_string_names_a_module_of_ours_to_start_but_in_the_one_table() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in CODE
        if path.name != "entry_points.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and node.value in started_by_name().values()
        and node.value != "tidemill"
    ]

    assert named == []


def source_of(spec: ModuleSpec) -> str:
    assert spec.origin
    return Path(spec.origin).read_text() + (
        "__name__" if spec.name == entry_points.DEFINITIONS else ""
    )


@pytest.mark.parametrize("page", ["architecture.md", "glossary.md"])
def test_a_page_names_files_that_are_there(page: str) -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", (ROOT / "docs" / page).read_text()))
    roots = [ROOT, ROOT / "platform" / "tidemill", ROOT / "assets"]

    assert named
    assert {name for name in named if not any((root / name).exists() for root in roots)} == set()
