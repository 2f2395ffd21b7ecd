"""What a search remembers, by both memories; and the words of users that may be passed on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.streams import TOPIC, answer, correct, take, thumb

from tidemill.adapters.answer_cache import PassingMemory, SearchMemory
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.ledger.feedback_comments import feedback_comments
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.errors import StorageError
from tidemill.pipeline.cached_runtime import AnswerMemory, StoredAnswer
from tidemill.spec.dataset import Privacy


def kept_answer(text: str) -> StoredAnswer:
    return {"text": text, "tokens_in": 3, "tokens_out": 1}


@pytest.fixture(params=["file", "passing"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> AnswerMemory:
    return SearchMemory(tmp_path / "m.db") if request.param == "file" else PassingMemory()


def test_an_answer_is_kept_under_its_key(memory: AnswerMemory) -> None:
    memory.put_many({f"key {n}": kept_answer(str(n)) for n in range(1200)})
    memory.put_many({"key 1": kept_answer("1")})
    found = memory.get_many([f"key {n}" for n in range(1300)])

    assert len(found) == 1200
    assert found["key 7"] == kept_answer("7")


ROWS = [f"row {n}" for n in range(10)]


def test_each_new_candidate_is_another_look_at_the_same_rows(memory: AnswerMemory) -> None:
    looks = [memory.record_comparison(ROWS, one) for one in ("a", "b", "a", "c", "b")]

    assert looks == [1, 2, 1, 3, 2]
    assert memory.record_comparison([f"other {n}" for n in range(10)], "c") == 1


def test_two_processes_share_one_file(tmp_path: Path) -> None:
    one, two = (SearchMemory(tmp_path / "m.db") for _ in range(2))
    one.put_many({"key": kept_answer("said")})

    assert two.get_many(["key"]) == {"key": kept_answer("said")}


def test_a_file_that_is_no_database_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "m.db").write_bytes(b"not a database, and long enough to be read as one" * 9)

    with pytest.raises(StorageError, match=r"m\.db: file is not a database; free some space, or"):
        SearchMemory(tmp_path / "m.db")


def test_words_are_passed_on_with_consent_and_without_personal_data(ledger: Ledger) -> None:
    asked = {"input": {"text": "mail me at ann@example.com"}, "output": "No."}
    said = thumb(1, kind="comment", value=None, comment="rude, says ann@example.com", consent=True)
    silent = thumb(2, kind="comment", value=None, comment="not to be passed on", consent=False)
    take(ledger.events, MemoryBus(), [answer(1, **asked), answer(2), said, silent])
    (found,) = feedback_comments(ledger.engine, TOPIC, Privacy(), ["text"])

    assert found.comment == "rude, says [email]"
    assert found.inputs == {"text": "mail me at [email]"}
    assert found.question == "mail me at [email]"


def test_who_is_held_out_of_training_is_held_out_here(ledger: Ledger) -> None:
    take(ledger.events, MemoryBus(), [answer(1, input={"text": "hi"}), correct(1, consent=True)])

    assert len(feedback_comments(ledger.engine, TOPIC, Privacy(), ["text"])) == 1
    assert feedback_comments(ledger.engine, TOPIC, Privacy(holdout_subjects=1.0), ["text"]) == ()


def test_rows_that_are_mostly_the_same_have_been_looked_at_before(memory: AnswerMemory) -> None:
    first = memory.record_comparison(ROWS, "a")
    grown = memory.record_comparison([*ROWS, "row 10", "row 11"], "b")
    reordered = memory.record_comparison(ROWS[::-1], "a")
    half_new = memory.record_comparison([*ROWS[:5], *(f"new {n}" for n in range(20))], "c")
    other = memory.record_comparison([*ROWS[:4], *(f"next {n}" for n in range(20))], "d")

    few = memory.record_comparison(ROWS[:2], "e")

    assert (first, grown, reordered, half_new, other) == (1, 2, 1, 2, 1)
    assert few == 5


def test_the_outcome_of_a_search_is_kept_under_its_key(memory: SearchMemory) -> None:
    memory.record_outcome("key", {"verdict": "no gain"})
    memory.record_outcome("key", {"verdict": "a gain"})

    assert memory.outcome("key") == {"verdict": "a gain"}
    assert memory.outcome("another key") is None
