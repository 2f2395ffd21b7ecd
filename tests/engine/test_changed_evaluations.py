"""Which evaluations a change touches, and what of them is built."""

from __future__ import annotations

from tidemill.engine.built_revision import BuiltRevision
from tidemill.engine.changed_evaluations import changed_evaluations
from tidemill.engine.plan import plan
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.engine.staleness import RecordedAsset

INPUTS = {
    "rows": ("Dataset", ()),
    "base": ("Model", ()),
    "ask": ("Prompt", ("rows",)),
    "tune": ("FineTune", ("base", "rows", "ask")),
    "quality": ("Evaluation", ("tune", "rows")),
    "plain": ("Evaluation", ("base", "rows", "ask")),
}


def specs(**digests: str) -> dict[str, SpecSnapshot]:
    """Snapshots by name; a digest is the name where none is given."""
    return {
        name: SpecSnapshot("shop", name, kind, digests.get(name, name), inputs, {"of": name})
        for name, (kind, inputs) in INPUTS.items()
    }


def keyed(snapshots: dict[str, SpecSnapshot]) -> dict[str, SpecSnapshot]:
    return {spec.key: spec for spec in snapshots.values()}


def record(name: str, version: str = "", **inputs: str) -> RecordedAsset:
    """A build of the spec as it is in `specs()`, or with another digest."""
    used = {parent: inputs.get(parent, f"{parent}-1") for parent in INPUTS[name][1]}
    return RecordedAsset(version or name, inputs.get("artefact", f"{name}-1"), used)


def history(*without: str) -> dict[str, list[RecordedAsset]]:
    return {name: [record(name)] for name in INPUTS if name not in without}


def test_a_changed_prompt_touches_each_evaluation_that_is_built_from_it() -> None:
    before, after = keyed(specs()), keyed(specs(ask="ask-2"))
    changed = changed_evaluations(plan(after, before), after)

    assert [item.name for item in changed] == ["plain", "quality"]
    assert [item.state for item in changed] == ["stale", "stale"]
    assert changed[0].causes == ("'ask' is changed",)


def test_a_selection_takes_the_evaluations_that_depend_on_what_is_named() -> None:
    before, after = keyed(specs()), keyed(specs(ask="ask-2", rows="rows-2"))
    entries = plan(after, before)

    assert [x.name for x in changed_evaluations(entries, after, {"shop/tune"})] == ["quality"]
    assert len(changed_evaluations(entries, after, {"shop/ask"})) == 2
    assert changed_evaluations(entries, after, {"shop/other"}) == ()


def test_what_is_reused_is_left_out_and_what_is_gone_is_named() -> None:
    before, after = keyed(specs()), keyed(specs())
    del after["shop/plain"]
    changed = changed_evaluations(plan(after, before), after)

    assert [(item.name, item.state) for item in changed] == [("plain", "removed")]


def test_an_artefact_is_that_of_these_specs_all_the_way_up() -> None:
    built = history()

    assert BuiltRevision(specs(), built).artefact("tune") == "tune-1"
    assert BuiltRevision(specs(base="base-2"), built).artefact("tune") is None
    assert BuiltRevision(specs(base="base-2"), built).unbuilt("tune", "rows") == ("base", "tune")


def test_a_prompt_that_weights_were_trained_with_asks_for_a_training_and_no_build_of_its_own() -> (
    None
):
    trained = BuiltRevision(specs(ask="ask-2"), history("ask"))

    assert trained.unbuilt("tune") == ("tune",)
    assert trained.unbuilt("base", "rows", "ask") == ()


def test_each_revision_finds_its_own_build_whichever_is_newer() -> None:
    newer = record("tune", "tune-2", artefact="tune-2")
    built = {**history(), "tune": [newer, record("tune")]}

    assert BuiltRevision(specs(), built).artefact("tune") == "tune-1"
    assert BuiltRevision(specs(tune="tune-2"), built).artefact("tune") == "tune-2"


def test_rows_that_came_after_a_training_do_not_ask_for_another() -> None:
    grown = RecordedAsset("rows", "rows-2", {})
    built = {**history(), "rows": [grown, record("rows")]}
    revision = BuiltRevision(specs(), built)

    assert (revision.artefact("rows"), revision.artefact("tune")) == ("rows-2", "tune-1")
