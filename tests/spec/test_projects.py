"""The example projects: their specs hold together, their data is what their README says."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tidemill.spec.load import load

SPECS = Path(__file__).parents[2] / "specs"
NEW = "gift_card"
KINDS = {
    *("Model", "Dataset", "FineTune", "Compression"),
    *("Evaluation", "Feedback", "Trigger", "Rollout"),
}


@cache
def rows(name: str) -> list[dict[str, Any]]:
    with (SPECS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)) if name.endswith(".csv") else list(map(json.loads, file))


def plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def alike(one: str, other: str) -> float:
    """Jaccard similarity of word pairs."""
    a, b = pairs(one), pairs(other)
    return len(a & b) / len(a | b)


def pairs(text: str) -> set[tuple[str, ...]]:
    words = plain(text).split()
    return {*pairwise(words)} or {tuple(words)}


def requests(name: str) -> list[str]:
    return [row["request"] for row in rows(f"support-chat/data/{name}.jsonl")]


def part(name: str) -> list[dict[str, Any]]:
    return [row for row in rows("support-chat/data/shift.jsonl") if row["part"] == name]


@pytest.mark.parametrize("project", ["support-chat", "product-recs", "legal-summaries"])
def test_a_project_has_every_kind_it_needs_and_no_problem(project: str) -> None:
    specs = load(SPECS).projects[project].specs
    kinds = {loaded.spec.kind for loaded in specs.values()}

    unneeded = {"Compression"} if project == "product-recs" else set()  # it is small as it is
    assert kinds - {"Prompt"} == KINDS - unneeded


def test_each_spec_names_its_schema_for_editors() -> None:
    first = {p: p.read_text(encoding="utf-8").splitlines()[0] for p in SPECS.glob("*/*.yaml")}

    assert set(first.values()) == {"# yaml-language-server: $schema=../schema.json"}


def test_requests_hold_ten_intents_of_about_thirty_rows_with_one_reply_each() -> None:
    told = [row for row in rows("support-chat/data/requests.jsonl") if row["intent"]]
    counts = Counter(row["intent"] for row in told)
    replies = {(row["intent"], row["reply"]) for row in told}

    assert len(counts) == len(replies) == 10
    assert all(26 <= count <= 34 for count in counts.values()), counts


@pytest.mark.parametrize("name", ["requests", "shift", "traffic"])
def test_requests_are_short(name: str) -> None:
    assert max(len(request.split()) for request in requests(name)) <= 14


def test_requests_hold_what_cleaning_is_there_for() -> None:
    told = [row["request"] for row in rows("support-chat/data/requests.jsonl")]
    text = "\n".join(told)

    assert sum(not request.strip() for request in told) == 2
    assert len(told) - len(set(told)) >= 5
    assert re.search(r"@example\.", text)
    assert "4111 1111 1111 1111" in text
    assert re.search(r"GB29 NWBK", text)
    assert re.search(r"\+44 20 7946", text)


def test_the_shift_is_a_kind_of_request_nothing_else_holds() -> None:
    shift = rows("support-chat/data/shift.jsonl")
    before = [*rows("support-chat/data/requests.jsonl"), *rows("support-chat/data/traffic.jsonl")]

    assert {row["intent"] for row in shift} == {NEW}
    assert len({row["reply"] for row in shift}) == 1
    assert NEW not in {row["intent"] for row in before}
    assert not [row for row in before if "gift" in row["request"].lower()]


def test_the_held_out_shift_shares_no_user_and_no_wording_with_what_is_sent() -> None:
    sent, held = part("sent"), part("held_out")
    nearest = max(alike(s["request"], h["request"]) for s in sent for h in held)

    assert (len(sent), len(held)) == (50, 40)
    assert not {row["customer"] for row in sent} & {row["customer"] for row in held}
    assert nearest < 0.5


def test_no_sender_has_more_than_a_fair_share_of_the_shift() -> None:
    counts = Counter(row["customer"] for row in part("sent"))

    assert max(counts.values()) / len(part("sent")) <= 0.05


def test_traffic_covers_every_intent_and_repeats_no_row_of_the_dataset() -> None:
    traffic = rows("support-chat/data/traffic.jsonl")
    known = {row["intent"] for row in rows("support-chat/data/requests.jsonl")} - {""}

    assert Counter(row["intent"] for row in traffic) == dict.fromkeys(known, 6)
    assert not {plain(r) for r in requests("traffic")} & {plain(r) for r in requests("requests")}


def test_the_catalogue_has_400_different_products_in_20_categories() -> None:
    items = rows("product-recs/data/catalogue.jsonl")

    assert len({item["id"] for item in items}) == len({plain(i["title"]) for i in items}) == 400
    assert set(Counter(item["category"] for item in items).values()) == {20}


def test_summaries_are_shorter_than_their_clauses_and_all_different() -> None:
    clauses = rows("legal-summaries/data/clauses.jsonl")
    ratio = [len(row["summary"].split()) / len(row["clause"].split()) for row in clauses]

    assert set(Counter(row["document"] for row in clauses).values()) == {10}
    assert len({plain(row["clause"]) for row in clauses}) == len(clauses) == 200
    assert sorted(ratio)[len(ratio) // 2] < 0.6


@pytest.mark.parametrize(
    "name",
    [
        "support-chat/data/requests.jsonl",
        "support-chat/data/traffic.jsonl",
        "support-chat/data/shift.jsonl",
        "product-recs/data/catalogue.jsonl",
        "product-recs/data/visits.jsonl",
        "legal-summaries/data/clauses.jsonl",
        "legal-summaries/data/glossary.jsonl",
    ],
)
def test_the_readme_counts_the_rows_right(name: str) -> None:
    said = re.search(rf"`{re.escape(name)}` \| (\d+) ", (SPECS / "README.md").read_text("utf-8"))

    assert said is not None
    assert int(said[1]) == len(rows(name))
