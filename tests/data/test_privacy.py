"""Personal data is found, replaced, and not found again; consent and retention hold."""

from __future__ import annotations

import hmac
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidemill.data import privacy
from tidemill.data.privacy import is_held_out, redact
from tidemill.errors import DataError
from tidemill.spec.dataset import Privacy

KINDS = ("email", "phone", "card", "iban", "ip")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FOUND = {
    "email": ["jo.smith+orders@example.co.uk", "ünal@example.com"],
    "phone": ["+44 20 7946 0958", "(415) 555-2671", "020 7946 0958"],
    "card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005"],
    "iban": ["DE89 3704 0044 0532 0130 00", "gb29NWBK60161331926819"],
    "ip": ["192.168.0.1", "2001:db8::8a2e:370:7334"],
}
HARMLESS = (
    "order 1234567 from 2024-10-11 at 12:30:45 for 19.99",
    "card ending 4111, 4111 1111 1111 1112",
    "std::vector in v1.2, @home, DE00 1234 5678 9012",
)


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, ts in FOUND.items() for t in ts])
def test_each_kind_is_found_where_it_stands(kind: str, text: str) -> None:
    clean, counts = redact(f"please use {text} today", KINDS)

    assert clean == f"please use [{kind}] today"
    assert counts == {kind: 1}


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_that_are_nobodys_stay(text: str) -> None:
    assert redact(text, KINDS) == (text, {})


def test_only_the_kinds_that_were_asked_for_go() -> None:
    assert redact("a@b.co from 10.0.0.1", ["ip"]) == ("a@b.co from [ip]", {"ip": 1})


def test_a_keyed_hash_keeps_equal_values_equal_and_tells_nothing_without_the_key() -> None:
    clean, _ = redact("a@b.co and a@b.co and c@d.co", KINDS, key=b"k")
    first, second, third = clean.split(" and ")

    assert first == second != third
    assert first.startswith("[email:")
    assert redact("a@b.co", KINDS, key=b"other")[0] != first


PIECES = st.sampled_from([*(t for ts in FOUND.values() for t in ts), *HARMLESS, "4", "@", "+", "."])


@given(st.lists(PIECES | st.text(max_size=6), max_size=6), st.sampled_from(["", " ", "-", "1"]))
@settings(max_examples=150, deadline=None)
@example(["4111 1111 1111 1111", "4111 1111 1111 1111"], "")
def test_what_was_redacted_holds_nothing_that_can_be_found_again(
    pieces: list[str], glue: str
) -> None:
    text = glue.join(pieces)

    for key in (None, b"k"):
        clean, _ = redact(text, KINDS, key=key)
        assert redact(clean, KINDS, key=key) == (clean, {})


def test_redacting_takes_less_than_a_millisecond_and_hostile_text_not_much_more() -> None:
    usual = "I still have not received my card, order 12345678, call +44 20 7946 0958."
    redact(usual, KINDS)
    started = time.perf_counter()
    for _ in range(100):
        redact(usual, KINDS)
    taken = (time.perf_counter() - started) / 100
    started = time.perf_counter()
    redact("a" * 20_000 + "@", KINDS)
    redact("1" * 20_000, KINDS)
    redact("4 " * 2_000, KINDS)
    redact("AB12 " * 500, KINDS)
    hostile = time.perf_counter() - started

    assert taken < 0.003
    assert hostile < 1


def test_importing_privacy_brings_no_heavy_library() -> None:
    code = (
        "import sys, tidemill.data.privacy as p; p.redact('hi', p.FINDERS)\n"
        "heavy = {'pandas', 'pyarrow', 'phonenumbers', 'torch', 'great_expectations'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def rows(**more: Any) -> list[dict[str, Any]]:
    return [{"text": "mail a@b.co", "label": "x", **more}, {"text": "hi", "label": "x", **more}]


def test_drop_takes_the_row_out_and_what_is_kept_of_it_is_redacted() -> None:
    kept, dropped, counts = privacy.apply(rows(), Privacy(pii="drop"), key=None)

    assert [row["text"] for row in kept] == ["hi"]
    assert [(row["text"], why) for row, why in dropped] == [
        ("mail [email]", "personal data: email")
    ]
    assert counts == {"email": 1}


def test_chats_are_redacted_in_every_turn_and_a_subject_becomes_a_pseudonym() -> None:
    given_rows = [
        {"messages": [{"role": "user", "content": "I am a@b.co"}], "subject": "a@b.co", "n": 3},
        {"messages": [{"role": "user", "content": "hello"}], "subject": "a@b.co", "n": 4},
        {"messages": [{"role": "user", "content": "hello"}], "subject": "u17", "n": 5},
    ]
    kept, _, _ = privacy.apply(given_rows, Privacy(), key=b"k")

    assert kept[0]["messages"] == [{"role": "user", "content": "I am [email]"}]
    assert kept[0]["subject"] == kept[1]["subject"] != "a@b.co"
    assert (kept[2]["subject"], kept[2]["n"]) == ("u17", 5)


def test_hash_without_a_key_and_names_without_a_model_are_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match="TIDEMILL_SUBJECT_KEY"):
        privacy.apply(rows(), Privacy(pii="hash"), key=None)
    with pytest.raises(DataError, match="'name' needs a named-entity model"):
        privacy.apply(rows(), Privacy(kinds=("name",)), key=None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"__feedback": True, "__consent": None}, "no consent"),
        ({"__feedback": True, "__consent": False}, "no consent"),
        ({"region": "us"}, "region: us is not one of eu"),
        ({}, "region: unknown is not one of eu"),
        (
            {"__feedback": True, "__consent": True, "region": "eu", "time": "2026-01-01T00:00:00Z"},
            "retention: older than 30 days",
        ),
    ],
)
def test_consent_region_and_retention_keep_rows_out_with_the_reason(
    row: dict[str, Any], reason: str
) -> None:
    kept, dropped = privacy.filter_permitted(
        [row], Privacy(regions=("eu",), retention_days=30), NOW
    )

    assert kept == []
    assert dropped == [(row, reason)]


def test_recent_feedback_with_consent_and_rows_of_files_pass() -> None:
    passing = [
        {"__feedback": True, "__consent": True, "time": "2026-05-30T00:00:00+00:00"},
        {"text": "a row of a file"},
    ]

    assert privacy.filter_permitted(passing, Privacy(retention_days=30), NOW) == (passing, [])


@given(st.integers(0, 200))
def test_held_out_subjects_stay_held_out_when_the_share_grows(number: int) -> None:
    subject = f"user-{number}"

    assert not is_held_out(subject, 0.0, b"k")
    assert not is_held_out(None, 1.0, b"k")
    assert is_held_out(subject, 1.0, b"k")
    if is_held_out(subject, 0.1, b"k"):
        assert is_held_out(subject, 0.3, b"k")


def test_about_the_wanted_share_of_subjects_is_held_out() -> None:
    held = sum(is_held_out(f"user-{i}", 0.1, b"k") for i in range(2000))

    assert 140 < held < 260


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("4111111111111111 12/25", "[card] 12/25"),
        ("4111 1111 1111 1111 123", "[card] 123"),
        ("order 12 4111-1111-1111-1111 12 25", "order 12 [card] 12 25"),
        ("3782 822463 10005 1234", "[card] 1234"),
        ("4111 1111 1111 1111 5555 5555 5555 4444 09", "[card] [card] 09"),
        ("a 2-series card: 2221000000000009", "a 2-series card: [card]"),
        ("4111\u00a01111\u00a01111\u00a01111", "[card]"),
        ("4111.1111.1111.1111", "[card]"),
    ],
)
def test_a_card_is_found_among_other_numbers_and_however_it_is_spaced(
    text: str, clean: str
) -> None:
    assert redact(text, ["card"])[0] == clean


@pytest.mark.parametrize("text", ["3.14159265358973", "seats 12 4111 22 333333 4445", "4 5 6 7 8"])
def test_numbers_that_only_add_up_like_a_card_stay(text: str) -> None:
    assert redact(text, ["card"]) == (text, {})


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("ref AB12 3456 please pay DE89 3704 0044 0532 0130 00", "ref AB12 3456 please pay [iban]"),
        ("my ab12 account GB29NWBK60161331926819 now", "my ab12 account [iban] now"),
        ("DE89-3704-0044-0532-0130-00", "[iban]"),
        ("DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "[iban]"),
    ],
)
def test_an_iban_is_found_whatever_looks_like_one_before_it(text: str, clean: str) -> None:
    assert redact(text, ["iban"])[0] == clean


def test_holding_out_is_another_draw_than_any_other_use_of_the_key() -> None:
    plain = [f"user-{i}" for i in range(300)]

    assert [is_held_out(name, 0.5, b"k") for name in plain] != [
        hmac.new(b"k", name.encode(), "sha256").digest()[0] < 128 for name in plain
    ]
