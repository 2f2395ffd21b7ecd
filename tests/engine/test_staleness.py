"""Whether an asset is up to date: laws over random graphs, and each answer once."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.spec_snapshot import TEXT, FieldChange, SpecSnapshot, build_order
from tidemill.engine.staleness import (
    ArtefactMissing,
    Fresh,
    InputChanged,
    NeverBuilt,
    RecordedAsset,
    SpecChanged,
    Staleness,
    is_outdated,
    is_stale,
    reason,
    staleness,
)

Specs = dict[str, SpecSnapshot]
Records = dict[str, RecordedAsset]


@st.composite
def graphs(draw: st.DrawFn) -> Specs:
    """Up to ten assets of two projects; each is built from some of those before it."""
    specs: Specs = {}
    for number in range(draw(st.integers(0, 10))):
        project = draw(st.sampled_from(["one", "two"]))
        before = [spec.name for spec in specs.values() if spec.project == project]
        inputs = draw(st.sets(st.sampled_from(before))) if before else set()
        spec = SpecSnapshot(project, f"n{number}", "Dataset", f"d{number}", tuple(sorted(inputs)))
        specs[spec.key] = spec
    return specs


def records(specs: Specs) -> Records:
    """Every asset built from the specs as they stand."""
    return {key: built(spec, {}) for key, spec in specs.items()}


def built(spec: SpecSnapshot, artefacts: Mapping[str, str]) -> RecordedAsset:
    """The record of a build, with the artefacts of those inputs that were built before."""
    inputs = {name: artefacts.get(name, f"made by {name}") for name in spec.inputs}
    return RecordedAsset(spec.digest, f"made by {spec.name}", inputs)


def descendants(specs: Specs, key: str) -> set[str]:
    project, name = key.split("/")
    children = {k for k, s in specs.items() if s.project == project and name in s.inputs}
    return children.union(*(descendants(specs, child) for child in children))


def of_type(states: Mapping[str, Staleness], *types: type) -> set[str]:
    return {key for key, state in states.items() if isinstance(state, types)}


def some_key(specs: Specs, number: int) -> str | None:
    return sorted(specs)[number % len(specs)] if specs else None


@given(graphs())
def test_what_was_built_from_these_specs_is_fresh(specs: Specs) -> None:
    assert of_type(staleness(specs, records(specs)), Fresh) == set(specs)


@given(graphs())
def test_without_records_nothing_was_built(specs: Specs) -> None:
    assert of_type(staleness(specs, {}), NeverBuilt) == set(specs)


@given(graphs(), st.integers(0, 9))
def test_a_changed_spec_makes_exactly_its_descendants_stale(specs: Specs, number: int) -> None:
    key = some_key(specs, number)
    if key is None:
        return
    states = staleness({**specs, key: replace(specs[key], digest="other")}, records(specs))

    assert of_type(states, SpecChanged) == {key}
    assert of_type(states, InputChanged) == descendants(specs, key)


@given(graphs(), st.integers(0, 9))
def test_a_rebuilt_asset_makes_exactly_its_descendants_stale(specs: Specs, number: int) -> None:
    """The state in which five places once gave three answers."""
    key = some_key(specs, number)
    if key is None:
        return
    before = records(specs)
    states = staleness(specs, {**before, key: replace(before[key], artefact="made anew")})

    assert of_type(states, InputChanged) == descendants(specs, key)
    assert isinstance(states[key], Fresh)
    for child in descendants(specs, key):
        state = states[child]
        assert isinstance(state, InputChanged)
        assert (state.input, state.change) == (specs[key].name, "rebuilt")


@given(graphs(), st.integers(0, 9))
def test_missing_files_make_nothing_else_stale(specs: Specs, number: int) -> None:
    key = some_key(specs, number)
    if key is None:
        return
    states = staleness(specs, records(specs), {f"made by {specs[key].name}"})

    assert of_type(states, ArtefactMissing) == {key}
    assert of_type(states, Fresh) == specs.keys() - {key}


@given(graphs(), st.sets(st.integers(0, 9)), st.booleans())
def test_building_what_is_stale_in_order_makes_all_fresh(
    specs: Specs, edited: set[int], same_bytes: bool
) -> None:
    """Also where a build gives the very bytes that it gave before: then what follows it stays."""
    recorded = records(specs)
    desired = {
        key: replace(spec, digest="other") if int(spec.name[1:]) in edited else spec
        for key, spec in specs.items()
    }
    builds = 0
    for spec in build_order(desired):
        if is_stale(staleness(desired, recorded)[spec.key]):
            project = f"{spec.project}/"
            newest = {k.removeprefix(project): r.artefact for k, r in recorded.items()}
            bytes_ = recorded[spec.key].artefact if same_bytes else f"again {spec.name}"
            recorded[spec.key] = replace(built(spec, newest), artefact=bytes_)
            builds += 1

    assert of_type(staleness(desired, recorded), Fresh) == set(specs)
    if same_bytes:
        assert builds == sum(spec.digest == "other" for spec in desired.values())


@given(graphs(), st.integers(0, 100))
def test_the_order_of_keys_never_matters(specs: Specs, seed: int) -> None:
    shuffled = random.Random(seed).sample(sorted(specs), len(specs))
    reordered = {k: replace(specs[k], inputs=specs[k].inputs[::-1]) for k in shuffled}

    assert staleness(reordered, {}) == staleness(specs, {})


def chain(**changes: str) -> Specs:
    """data → tune → small, of one project; `changes` are other digests by name."""
    specs = [
        SpecSnapshot("shop", "data", "Dataset", "1"),
        SpecSnapshot("shop", "tune", "FineTune", "2", ("data",)),
        SpecSnapshot("shop", "small", "Compression", "3", ("tune",)),
    ]
    return {s.key: replace(s, digest=changes.get(s.name, s.digest)) for s in specs}


def test_the_fields_that_changed_are_named_and_the_text_is_none_of_them() -> None:
    former = {"rank": 8, TEXT: "a"}
    recorded = {"shop/data": RecordedAsset("0", "x", {}, former)}
    spec = SpecSnapshot("shop", "data", "Dataset", "1", fields={"rank": 16, TEXT: "b"})

    assert staleness({"shop/data": spec}, recorded)["shop/data"] == SpecChanged(
        (FieldChange("rank", 8, 16),)
    )


def test_the_nearest_changed_input_is_named_with_the_way_to_it() -> None:
    recorded = records(chain())

    states = staleness(chain(data="other"), recorded)

    assert states["shop/small"] == InputChanged("data", "tune", "spec changed", 2)
    assert reason(states["shop/small"]) == "'data' is changed (through 'tune')"
    assert reason(states["shop/tune"]) == "'data' is changed"


def test_a_spec_that_is_gone_makes_stale_what_was_built_from_it() -> None:
    specs = chain()
    recorded = records(specs)
    del specs["shop/data"]

    assert staleness(specs, recorded)["shop/tune"] == InputChanged("data", "data", "removed")


def test_an_input_from_outside_counts_like_any_other() -> None:
    recorded = records(chain())
    recorded["shop/small"] = replace(recorded["shop/small"], changed_input="the live release")

    state = staleness(chain(), recorded)["shop/small"]

    assert state == InputChanged("the live release", "the live release", "outside")
    assert reason(state) == "the live release is another one now"


def test_the_spec_comes_before_the_input_and_the_input_before_the_files() -> None:
    recorded = records(chain())
    recorded["shop/data"] = replace(recorded["shop/data"], artefact="made anew")

    states = staleness(chain(small="other"), recorded, {"made by tune", "made by small"})

    assert isinstance(states["shop/small"], SpecChanged)
    assert isinstance(states["shop/tune"], InputChanged)


def test_every_answer_but_fresh_has_a_reason_and_only_two_are_outdated() -> None:
    states = [
        Fresh(),
        NeverBuilt(),
        SpecChanged(),
        InputChanged("a", "a", "rebuilt"),
        ArtefactMissing("sha256:a"),
    ]

    assert [bool(reason(state)) for state in states] == [False, True, True, True, True]
    assert [is_stale(state) for state in states] == [False, True, True, True, True]
    assert [is_outdated(state) for state in states] == [False, False, True, True, False]
