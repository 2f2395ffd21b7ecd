"""From rows that people said something about to one row for each question, by their votes.

What the votes come to is decided in `engine.consensus`; here rows become votes, and what is left
out gets its reason.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from tidemill.data.privacy import parse_time
from tidemill.data.reviews import (
    Outcome,
    ReviewedQuestion,
    open_outcomes,
    reviewed_outcomes,
    split_reviews,
)
from tidemill.data.rows import (
    FEEDBACK,
    ORIGIN,
    REVIEWER,
    SPLIT,
    UNVERIFIED,
    VOTE,
    VOUCHED,
    VOUCHED_AT,
    is_review,
)
from tidemill.data.votes import CONTESTED, COUNTED, OUTVOTED, Prior, Question, SettledRows
from tidemill.engine.consensus import Consensus, LabelVerdict, Vote, settle
from tidemill.pipeline.settled_questions import settled_questions
from tidemill.rows import DatasetRow, MutableRow
from tidemill.spec.dataset import Consensus as Rules

VERIFIED = 0.95
"""Probability from which the agreement of two people or more may be tested on."""
WEIGHT_STEPS = 20
"""Weights of voted labels are multiples of 1/20. Each vote moves every probability a little; a
finer weight would make new rows of all of them."""


def settle_labels(
    rows: Sequence[MutableRow],
    asked: Sequence[Question],
    label: str,
    rules: Rules,
    *,
    now: datetime,
    prior: Prior | None = None,
    outputs: Sequence[str] = (),
) -> SettledRows:
    """One row for each question that people voted on; questions without a vote stay as they are.

    `label` is the column that is voted on; `prior` is a model's opinion of the questions; `outputs`
    are all columns of an answer, the label alone without it.
    """
    cases = [
        split_reviews(rows, question)
        for question in asked
        if any(rows[place].get(FEEDBACK) for place in question.places)
    ]
    consensus = _consensus(rows, cases, label, rules, now, prior or {})
    rare = _rare_labels(rows, cases, label, rules)
    columns = (label, *(name for name in outputs if name != label))
    outcome: dict[int, Outcome] = dict(enumerate(rows))
    for case in cases:
        outcome |= _case_outcomes(rows, case, consensus, columns, rare)
    ordered = [outcome[place] for place in range(len(rows))]
    return SettledRows(
        [row for row in ordered if not isinstance(row, tuple)],
        [row for row in ordered if isinstance(row, tuple)],
        consensus.crowd if cases else None,
        settled_questions(rows, asked, cases, consensus, rare, columns, prior or {}),
    )


def _consensus(
    rows: Sequence[MutableRow],
    cases: Sequence[ReviewedQuestion],
    label: str,
    rules: Rules,
    now: datetime,
    prior: Prior,
) -> Consensus:
    """What the votes come to, the newest review of a question among them."""
    ranks = _ranks(rows)
    votes = [
        _vote(rows[place], case.question.item, label, rules, now, ranks[place])
        for case in cases
        if case.decision != "reject"
        for place in (*case.members, *case.reviews)
        if place in case.members or rows[place] is case.verdict
    ]
    labels = {str(row[label]) for row in rows if row.get(label) is not None}
    asked = [case.question for case in cases]
    known = {q.item: prior[q.places[0]] for q in asked if q.places[0] in prior}
    return settle(votes, accept=rules.accept, labels=labels, prior=known)


def _ranks(rows: Sequence[DatasetRow]) -> dict[int, int]:
    """Place in time of each row, by its place in the list."""
    by_time = sorted(range(len(rows)), key=lambda i: (str(rows[i].get("time")), i))
    return {place: rank for rank, place in enumerate(by_time)}


def _case_outcomes(
    rows: Sequence[MutableRow],
    case: ReviewedQuestion,
    consensus: Consensus,
    columns: Sequence[str],
    rare: Mapping[str, int],
) -> dict[int, Outcome]:
    """What becomes of the rows of one question, by place."""
    if case.decision:
        return reviewed_outcomes(rows, case, columns)
    if not case.members:
        return open_outcomes(rows, case)
    members = [rows[place] for place in case.members]
    verdict = consensus.verdicts[case.question.item]
    outcomes = _outcomes(members, verdict, columns[0], rare)
    return dict(zip(case.members, outcomes, strict=True)) | open_outcomes(rows, case)


def _rare_labels(
    rows: Sequence[DatasetRow], cases: Sequence[ReviewedQuestion], label: str, rules: Rules
) -> dict[str, int]:
    """Labels that no file and no reviewer knows, with the people who chose them, where they are
    too few."""
    chosen: dict[str, set[str]] = defaultdict(set)
    known = {str(case.verdict.get(label)) for case in cases if case.verdict}
    for row in rows:
        if not row.get(FEEDBACK):
            known.add(str(row.get(label)))
        elif row.get(VOTE) == "label":
            chosen[str(row.get(label))].add(str(row.get("subject") or ""))
    people = {said: len(voters) for said, voters in chosen.items() if said not in known}
    return {said: count for said, count in people.items() if count < rules.new_label}


def _vote(row: DatasetRow, item: str, label: str, rules: Rules, now: datetime, order: int) -> Vote:
    """A row as a vote; `order` is larger for a later one."""
    said = str(row.get(label))
    if not row.get(FEEDBACK):
        return Vote(item, str(row.get(ORIGIN)), said, source="file")
    moment = parse_time(row.get("time"))
    age = (now - moment).total_seconds() if moment else 0.0
    half_life = rules.half_life.total_seconds() if rules.half_life else None
    weight = 0.5 ** (max(age, 0.0) / half_life) if half_life else 1.0
    if is_review(row):
        return Vote(item, str(row.get(REVIEWER)), said, source="reviewer", order=order)
    voter = str(row.get("subject") or "")
    kind = row.get(VOTE, "label")
    return Vote(item, voter, said, kind=kind, order=order, weight=weight)


def _outcomes(
    members: Sequence[MutableRow], verdict: LabelVerdict, label: str, rare: Mapping[str, int]
) -> list[Outcome]:
    """For each row of one question: the row that stays, or the row with its reason."""
    tally = _tally(members, label)
    if verdict.contested:
        return [(row, f"{CONTESTED}: {tally}") for row in members]
    if verdict.label in rare and not verdict.verified:
        people = f"{rare[verdict.label]} {'person' if rare[verdict.label] == 1 else 'people'}"
        reason = f"{CONTESTED}: new label '{verdict.label}', chosen by {people} so far"
        return [(row, reason) for row in members]
    chosen = _representative(members, verdict, label)
    results: list[Outcome] = []
    for row in members:
        if row is chosen:
            results.append(_settled(row, verdict))
        elif str(row.get(label)) == verdict.label and row.get(VOTE) != "down":
            results.append((row, f"{COUNTED}: for {chosen.get(ORIGIN)}"))
        else:
            results.append((row, f"{OUTVOTED}: {tally}"))
    return results


def _representative(members: Sequence[MutableRow], verdict: LabelVerdict, label: str) -> MutableRow:
    """The row that stands for the question: of a file where one is right, else the oldest, so that
    one more vote for its label changes no row."""
    right = [
        row for row in members if str(row.get(label)) == verdict.label and row.get(VOTE) != "down"
    ]
    return min(right, key=lambda row: (bool(row.get(FEEDBACK)), str(row.get("time"))))


def _settled(row: MutableRow, verdict: LabelVerdict) -> MutableRow:
    """The row with the weight of its label's probability; only a verified one is tested on."""
    if not row.get(FEEDBACK):
        return row
    weight = round(verdict.confidence * WEIGHT_STEPS) / WEIGHT_STEPS
    settled = {**row, "weight": float(row.get("weight") or 1.0) * weight}
    agreed = verdict.votes > 1 and verdict.confidence >= VERIFIED
    if verdict.verified or agreed:
        settled |= {VOUCHED: "consensus", VOUCHED_AT: row.get("time")}
    elif not row.get(SPLIT):
        settled[UNVERIFIED] = True
    return settled


def _tally(members: Sequence[DatasetRow], label: str) -> str:
    """`2 votes for 'a', 1 for 'b', 1 against 'a'`, most first."""
    counts = Counter(
        ("against" if row.get(VOTE) == "down" else "for", str(row.get(label))) for row in members
    )
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    first, *rest = [f"{count} {side} '{said}'" for (side, said), count in ordered]
    number, _, words = first.partition(" ")
    return ", ".join([f"{number} vote{'' if number == '1' else 's'} {words}", *rest])
