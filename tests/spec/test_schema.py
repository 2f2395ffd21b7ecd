"""The JSON Schema: current, and of one mind with the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from tests.spec.conftest import COMPLETE

from tidemill.catalog import METRICS, TRIGGERS
from tidemill.spec.kinds import KINDS
from tidemill.spec.schema import schema, text

SPECS = Path(__file__).parents[2] / "specs"


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    Draft7Validator.check_schema(schema())
    return Draft7Validator(schema())


def test_the_schema_in_git_is_current() -> None:
    assert (SPECS / "schema.json").read_text(encoding="utf-8") == text(), "run: tidemill schema"


@pytest.mark.parametrize("path", sorted(SPECS.glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}")
def test_every_example_meets_the_schema(path: Path, validator: Draft7Validator) -> None:
    found = validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))

    assert [error.message for error in found] == []


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("rollout.yaml", {"colour": "red"}),
        ("rollout.yaml", {"driver": "k8s"}),
        ("rollout.yaml", {"steps": []}),
        ("rollout.yaml", {"kind": "Rolout"}),
        ("rollout.yaml", {"interval": "5 minutes"}),
        ("quality.yaml", {"metrics": ["acuracy"]}),
        ("retrain.yaml", {"when": {"any": [{"type": "newrows"}]}}),
        ("retrain.yaml", {"when": {"any": [{"type": "new_rows", "at_leest": 3}]}}),
        ("retrain.yaml", {"when": {"any": [{"type": "new_rows", "at_least": 0}]}}),
        ("tune.yaml", {"train": {"epochs": "many"}}),
        ("base.yaml", {"source": {"type": "wheel", "package": "a"}}),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(
    file: str, change: dict[str, Any], validator: Draft7Validator
) -> None:
    spec = yaml.safe_load(COMPLETE[file])

    assert validator.is_valid(spec)
    assert not validator.is_valid(spec | change)


def test_every_field_of_every_kind_is_described() -> None:
    silent = [
        f"{name}.{field}"
        for name, shape in schema()["$defs"].items()
        for field, told in shape.get("properties", {}).items()
        if not {"description", "$ref"} & set(told) and field not in ("type", "runtime", "kind")
    ]

    assert silent == []


def test_the_schema_says_where_it_lives() -> None:
    assert schema()["$id"].endswith("/specs/schema.json")


def test_catalogs_become_enumerations() -> None:
    defs = schema()["$defs"]

    assert defs["AtLeast"]["properties"]["metric"]["enum"] == list(METRICS.names())
    assert defs["Condition"]["properties"]["type"]["enum"] == list(TRIGGERS.names())
    assert set(KINDS) <= set(defs)
