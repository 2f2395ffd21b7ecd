"""What a plan says: laws over random graphs, and the words a reviewer reads."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.plan import PlanEntry, plan
from tidemill.engine.spec_snapshot import FILES, TEXT, FieldChange, SpecSnapshot, field_changes
from tidemill.spec.kinds import KINDS

Side = dict[str, SpecSnapshot]
PLAIN = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab.", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy[", max_size=2), inner),
    max_leaves=8,
)


@st.composite
def sides(draw: st.DrawFn) -> Side:
    """Up to ten assets of two projects; each needs some of those before it."""
    found: Side = {}
    for number in range(draw(st.integers(0, 10))):
        project = draw(st.sampled_from(["one", "two"]))
        before = [known.name for known in found.values() if known.project == project]
        needs = draw(st.sets(st.sampled_from(before))) if before else set()
        values = {"number": number, "owner": draw(st.sampled_from(["", "a"]))}
        known = SpecSnapshot(
            project, f"n{number}", "Dataset", f"d{number}", tuple(sorted(needs)), values
        )
        found[known.key] = known
    return found


def chain(**changes: Any) -> Side:
    """data ← tune ← small ← quality, one needing the other."""
    names = ("data", "tune", "small", "quality")
    needs: dict[str, tuple[str, ...]] = dict(zip(names, ((), *((n,) for n in names)), strict=False))
    made = {
        n: SpecSnapshot("shop", n, "FineTune", f"digest of {n}", needs[n], {"a": n}) for n in names
    }
    return {f"shop/{n}": replace(one, **changes.get(n, {})) for n, one in made.items()}


def states(items: tuple[PlanEntry, ...]) -> Mapping[str, str]:
    return {item.key: item.state for item in items}


def ancestors(side: Side, key: str) -> set[str]:
    project = side[key].project
    above = {f"{project}/{name}" for name in side[key].inputs}
    return above.union(*(ancestors(side, one) for one in above)) if above else above


@given(sides())
def test_a_side_against_itself_is_all_reused(side: Side) -> None:
    assert set(states(plan(side, side)).values()) <= {"reused"}


@given(sides())
def test_against_nothing_everything_is_new(side: Side) -> None:
    assert set(states(plan(side, {})).values()) <= {"new"}
    assert set(states(plan({}, side)).values()) <= {"removed"}


@given(sides(), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_stale_is_what_has_a_changed_or_new_ancestor_and_no_change_of_its_own(
    built: Side, edited: set[int], added: set[int]
) -> None:
    changed = {key for key in built if int(key.split("/n")[1]) in edited}
    new = {key for key in built if int(key.split("/n")[1]) in added}
    wanted = {k: replace(v, digest="other") if k in changed else v for k, v in built.items()}
    before = {key: known for key, known in built.items() if key not in new}

    found = states(plan(wanted, before))

    for key in wanted:
        expected = "new" if key in new else "changed" if key in changed else None
        if expected is None:
            expected = "stale" if ancestors(built, key) & (changed | new) else "reused"
        assert found[key] == expected


@given(sides(), st.integers(0, 100))
def test_the_order_of_keys_never_matters(side: Side, seed: int) -> None:
    keys = random.Random(seed).sample(sorted(side), len(side))
    shuffled = {key: replace(side[key], inputs=side[key].inputs[::-1]) for key in keys}

    assert plan(shuffled, {}) == plan(side, {})


@given(sides())
def test_each_asset_comes_after_what_it_needs(side: Side) -> None:
    place = {item.key: number for number, item in enumerate(plan(side, {}))}

    assert len(place) == len(side)
    for key, known in side.items():
        assert all(place[f"{known.project}/{name}"] < place[key] for name in known.inputs)


@given(sides(), st.text("ab", min_size=1, max_size=2))
def test_words_for_people_never_make_anything_anew(side: Side, owner: str) -> None:
    wanted = {k: replace(v, fields={**v.fields, "owner": owner}) for k, v in side.items()}

    assert set(states(plan(wanted, side)).values()) <= {"reused", "cosmetic"}


@given(st.dictionaries(st.text("xy", min_size=1), PLAIN), PLAIN)
def test_fields_differ_only_where_values_do(values: dict[str, Any], other: Any) -> None:
    base = {**values, "always": 1}

    assert field_changes(base, base) == ()
    assert (field_changes(base, {**base, "x": other}) == ()) == (base.get("x") == other)


def test_a_changed_field_is_named_and_what_follows_is_stale_with_the_nearest_cause() -> None:
    before = chain(tune={"fields": {"options": {"rank": 8, "alpha": 16}}})
    after = chain(tune={"digest": "new", "fields": {"options": {"rank": 16, "alpha": 16}}})

    data, tune, small, quality = plan(after, before)

    assert data.state == "reused"
    assert tune.state == "changed"
    assert tune.fields == (FieldChange("options.rank", 8, 16),)
    assert (small.state, small.reason) == ("stale", "'tune' is changed")
    assert (quality.state, quality.reason) == ("stale", "'tune' is changed (through 'small')")
    assert [item.is_rebuilt for item in (data, tune, small, quality)] == [False, True, True, True]


def test_of_two_causes_the_nearer_one_is_named() -> None:
    after = chain(data={"digest": "new"}, small={"digest": "new"})

    assert [item.reason for item in plan(after, chain())] == [
        "",
        "'data' is changed",
        "",
        "'small' is changed",
    ]


def test_what_needs_something_gone_is_stale() -> None:
    after = chain()
    del after["shop/data"]

    tune, small, quality, data = plan(after, chain())

    assert (tune.state, tune.reason) == ("stale", "'data' is gone")
    assert (small.state, quality.state, data.state) == ("stale", "stale", "removed")


def test_a_changed_file_shows_as_the_file() -> None:
    before = chain(data={"fields": {"template": "ask.j2", FILES: {"ask.j2": "sha256:a"}}})
    after = chain(
        data={"digest": "b", "fields": {"template": "ask.j2", FILES: {"ask.j2": "sha256:b"}}}
    )

    assert plan(after, before)[0].fields == (FieldChange("ask.j2", "sha256:a", "sha256:b"),)


def test_comments_alone_are_cosmetic_and_say_so() -> None:
    before = chain(data={"fields": {"a": 1, TEXT: "one"}})
    after = chain(data={"fields": {"a": 1, TEXT: "two"}})

    item = plan(after, before)[0]

    assert (item.state, item.fields) == ("cosmetic", ())
    assert item.reason == "only comments, order or formatting differ"


def test_a_description_is_cosmetic_and_shows() -> None:
    before = chain(data={"fields": {"description": "old", TEXT: "one"}})
    after = chain(data={"fields": {"description": "new", TEXT: "two"}})

    item = plan(after, before)[0]

    assert (item.state, item.reason) == ("cosmetic", "")
    assert item.fields == (FieldChange("description", "old", "new"),)


def test_where_only_digests_are_known_the_fields_stay_empty() -> None:
    built = {key: replace(known, fields={}) for key, known in chain().items()}

    changed = plan(chain(data={"digest": "new"}), built)[0]

    assert (changed.state, changed.fields) == ("changed", ())
    assert set(states(plan(chain(), built)).values()) == {"reused"}


def test_an_item_put_into_a_list_does_not_move_the_others() -> None:
    steps = [{"percent": 10}, {"percent": 100}]

    added = field_changes({"steps": steps}, {"steps": [steps[0], {"percent": 50}, steps[1]]})
    edited = field_changes({"steps": steps}, {"steps": [{"percent": 5}, steps[1]]})

    assert added == (FieldChange("steps[1]", None, {"percent": 50}),)
    assert edited == (FieldChange("steps[0].percent", 10, 5),)


def test_a_key_that_would_read_as_a_path_is_quoted() -> None:
    assert field_changes({"labels": {"a.b": "x"}}, {"labels": {"a.b": "y"}}) == (
        FieldChange('labels."a.b"', "x", "y"),
    )


def test_a_circle_is_no_reason_to_hang() -> None:
    circle = chain(data={"inputs": ("quality",), "digest": "new"})

    assert len(plan(circle, chain())) == 4


def test_no_field_of_a_spec_begins_as_our_own_keys_do() -> None:
    names = {info.alias or n for kind in KINDS.values() for n, info in kind.model_fields.items()}

    assert not [name for name in names if name.startswith("@")]


def test_the_nearest_cause_is_named_and_what_is_gone_is_as_near_as_any() -> None:
    side = chain(data={"digest": "other"}, small={"inputs": ("data", "tune")})
    lost = chain(data={"digest": "other"}, small={"inputs": ("gone", "tune")})
    reasons = [
        {item.name: item.reason for item in plan(wanted, chain())} for wanted in (side, lost)
    ]

    assert reasons[0]["small"] == "'data' is changed"
    assert reasons[0]["quality"] == "'data' is changed (through 'small')"
    assert reasons[1]["small"] == "'gone' is gone"


def test_of_two_causes_the_nearer_one_is_named_whatever_their_names() -> None:
    side = chain(data={"digest": "other"}, small={"digest": "other"})
    reasons = {item.name: item.reason for item in plan(side, chain())}

    assert reasons["quality"] == "'small' is changed"
