"""Votes of people become one label: in every order, and never by one loud voice."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.engine.consensus import Vote, settle

LABELS = [f"label-{n}" for n in range(12)]


def votes_of(item: str, *labels: str, first: int = 0) -> list[Vote]:
    """One vote of a new person each, in this order."""
    return [
        Vote(item, f"{item}/{n}", label, order=n) for n, label in enumerate(labels, start=first)
    ]


def background(seed: int = 1, items: int = 40, accuracy: float = 0.9) -> list[Vote]:
    """Twenty ordinary people on questions whose labels are `LABELS` in turn."""
    dice = random.Random(seed)
    found = []
    for n in range(items):
        truth = LABELS[n % len(LABELS)]
        for voter in dice.sample(range(20), 3):
            wrong = dice.choice([one for one in LABELS if one != truth])
            label = truth if dice.random() < accuracy else wrong
            found.append(Vote(f"item-{n}", f"person-{voter}", label, order=len(found)))
    return found


@pytest.mark.parametrize("place", range(6))
def test_five_right_corrections_outvote_one_wrong_one_in_every_order(place: int) -> None:
    labels = ["right"] * 5
    labels.insert(place, "wrong")

    verdict = settle(votes_of("q", *labels), accept=0.7).verdicts["q"]

    assert (verdict.label, verdict.contested, verdict.votes) == ("right", False, 6)


def test_one_against_one_is_contested_and_one_review_settles_it() -> None:
    split = votes_of("q", "a", "b")
    review = Vote("q", "reviewer@example.org", "b", source="reviewer", order=9)

    assert settle(split, accept=0.7).verdicts["q"].contested
    settled = settle([*split, review], accept=0.7).verdicts["q"]
    assert (settled.label, settled.contested, settled.verified) == ("b", False, True)


def test_who_contradicts_a_reviewer_is_trusted_less() -> None:
    def accuracy(reviewed: str) -> float:
        votes = [vote for n in range(8) for vote in (Vote(f"q{n}", "ann", "a", order=1),)]
        reviews = [Vote(f"q{n}", "ada", reviewed, source="reviewer", order=2) for n in range(8)]
        return settle([*votes, *reviews], accept=0.7, labels=["b"]).accuracy["ann"]

    assert accuracy("b") < 0.4
    assert accuracy("a") > 0.85


def test_the_newest_review_counts() -> None:
    reviews = [Vote("q", who, label, source="reviewer", order=n)
               for n, (who, label) in enumerate([("ann", "a"), ("bob", "b")])]  # fmt: skip

    for order in itertools.permutations(reviews):
        assert settle(order, accept=0.7).verdicts["q"].label == "b"


def test_a_single_vote_of_an_ordinary_person_counts_where_nothing_speaks_against_it() -> None:
    verdict = settle([*background(), *votes_of("q", "label-3")], accept=0.7).verdicts["q"]

    assert (verdict.label, verdict.contested) == ("label-3", False)


def test_people_who_disagree_with_everybody_lose_their_say() -> None:
    liars = [
        Vote(f"item-{n}", "liar", LABELS[(n + 1) % len(LABELS)], order=999 + n) for n in range(20)
    ]
    alone = Vote("q", "liar", "label-3")

    consensus = settle([*background(), *liars, alone], accept=0.7)

    assert consensus.accuracy["liar"] < 0.3 < consensus.crowd
    assert consensus.verdicts["q"].contested


def test_a_voter_changes_their_mind_and_has_one_vote_all_the_same() -> None:
    repeated = [Vote("q", "loud", "wrong", order=n) for n in range(50)]
    others = votes_of("q", "right", "right", first=100)

    assert settle([*repeated, *others], accept=0.7).verdicts["q"].label == "right"
    assert settle([*repeated, *others], accept=0.7).verdicts["q"].votes == 3


def test_a_file_outweighs_one_person_and_not_five() -> None:
    file = Vote("q", "data/rows.csv", "written", source="file")

    one = settle([file, *votes_of("q", "said")], accept=0.7).verdicts["q"]
    five = settle([file, *votes_of("q", *["said"] * 5)], accept=0.7).verdicts["q"]

    assert (one.label, one.verified) == ("written", True)
    assert five.label == "said"


def test_a_thumb_down_speaks_against_the_answered_label_only() -> None:
    down = Vote("q", "ann", "answered", kind="down")
    choice = votes_of("q", "other")

    assert settle([down, *choice], accept=0.7).verdicts["q"].label == "other"
    assert settle([down, *votes_of("r", "third")], accept=0.7).verdicts["q"].contested


def test_a_crowd_that_the_model_never_agrees_with_is_not_believed() -> None:
    """Every correction is wrong: each question has one vote, and only the model knows better."""
    dice = random.Random(3)
    prior, votes = {}, []
    for n in range(90):
        truth = LABELS[n % len(LABELS)]
        rest = 0.3 / (len(LABELS) - 1)
        prior[f"q{n}"] = {label: 0.7 if label == truth else rest for label in LABELS}
        wrong = dice.choice([label for label in LABELS if label != truth])
        votes.append(Vote(f"q{n}", f"user-{n % 60}", wrong, order=n))

    consensus = settle(votes, accept=0.7, prior=prior)

    wrong_rows = [
        v for n, v in enumerate(consensus.verdicts.values())
        if not v.contested and v.label != LABELS[int(v.item[1:]) % len(LABELS)]
    ]  # fmt: skip
    assert consensus.crowd < 0.5
    assert wrong_rows == []


@st.composite
def ballots(draw: st.DrawFn) -> list[Vote]:
    """Any votes of a few people on a few items."""
    one = st.builds(
        Vote,
        item=st.sampled_from("xyz"),
        voter=st.sampled_from(["ann", "bob", "cem", "dee", "eve"]),
        label=st.sampled_from(["a", "b", "c"]),
        kind=st.sampled_from(["label", "up", "down"]),
        source=st.sampled_from(["person", "file"]),
        weight=st.floats(0, 1),
    )
    return [
        Vote(**{**vars(vote), "order": float(n)})
        for n, vote in enumerate(draw(st.lists(one, min_size=1, max_size=25)))
    ]


@given(ballots(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_in_which_votes_are_read_makes_no_difference(
    votes: list[Vote], dice: random.Random
) -> None:
    shuffled = dice.sample(votes, len(votes))

    assert settle(votes, accept=0.7) == settle(shuffled, accept=0.7)


@given(ballots())
@settings(max_examples=60)
def test_a_label_that_is_not_contested_is_likely_and_somebody_said_it(votes: list[Vote]) -> None:
    said = {(vote.item, vote.label) for vote in votes if vote.kind != "down"}
    for verdict in settle(votes, accept=0.7).verdicts.values():
        assert 0 < verdict.confidence <= 1
        assert verdict.contested or (
            verdict.confidence >= 0.7 and (verdict.item, verdict.label) in said
        )


@given(ballots(), st.sampled_from(["a", "b", "c"]))
@settings(max_examples=60)
def test_one_more_vote_for_a_label_never_speaks_against_it(votes: list[Vote], label: str) -> None:
    item = votes[0].item
    before = settle(votes, accept=0.7).verdicts[item]
    more = settle([*votes, Vote(item, "new", before.label, order=99)], accept=0.7).verdicts[item]

    assert more.label == before.label
