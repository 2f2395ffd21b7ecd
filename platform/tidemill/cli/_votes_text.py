"""What `data show` says of users' feedback: rows, votes, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypedDict

from tidemill.terminal.amounts import format_count, format_value, strip_control

if TYPE_CHECKING:
    from tidemill.cli._review_text import QuestionContent
    from tidemill.data.votes import SettledQuestion
    from tidemill.planning.current_dataset import CurrentDataset

_MEANINGS = {
    "settled": "people agree",
    "reviewed": "a reviewer decided",
    "contested": "people do not agree; held back, see `tidemill review`",
    "new label": "held back until more people or a reviewer confirm the label",
    "rejected": "a reviewer left them out",
    "doubted": "a model contradicts the label, see `tidemill review`",
}


class VoteContent(TypedDict):
    """The JSON form of the feedback of a dataset."""

    rows: int
    """Feedback rows that were read, reviews among them."""
    withdrawn: int
    """Rows that are withdrawn."""
    votes: int
    lacks_model: str
    """The encoder of `label_noise` where it is not built yet."""
    questions: dict[str, int]
    """Questions by what became of them."""
    examples: dict[str, list[QuestionContent]]
    """The first questions of each."""


def vote_content(current: CurrentDataset, most: int) -> VoteContent | None:
    """The feedback of a dataset with `most` examples of each state; None without feedback."""
    from tidemill.cli._review_text import question_to_dict

    if not current.feedback_rows and not current.withdrawn:
        return None
    questions = current.preview.prepared.questions
    by_state: dict[str, list[SettledQuestion]] = {state: [] for state in _MEANINGS}
    for question in questions:
        by_state[question.state].append(question)
        by_state["doubted"] += [question] if question.doubt else []
    states = {state: matches for state, matches in by_state.items() if matches}
    return {
        "rows": current.feedback_rows,
        "withdrawn": current.withdrawn,
        "votes": sum(v.kind in ("label", "up", "down") for one in questions for v in one.votes),
        "lacks_model": current.lacks_model,
        "questions": {state: len(matches) for state, matches in states.items()},
        "examples": {
            s: [question_to_dict(q) for q in listed[:most]] for s, listed in states.items()
        },
    }


def vote_lines(content: VoteContent) -> Iterator[str]:
    """Lines of `data show` about feedback."""
    counts = sum(n for state, n in content["questions"].items() if state != "doubted")
    yield (
        f"  feedback: {format_count(content['rows'], 'row')}, "
        f"{format_count(content['votes'], 'vote')} on {format_count(counts, 'question')}"
    )
    if content["withdrawn"]:
        rows = format_count(content["withdrawn"], "row")
        yield f"  withdrawn: {rows}, not among these; see `tidemill feedback withdraw --list`"
    if content["lacks_model"]:
        model = strip_control(content["lacks_model"])
        yield f"  label noise: '{model}' is not built yet, so it has no say here"
    for state, count in content["questions"].items():
        yield f"  {state}: {count:,} ({_MEANINGS[state]})"
        yield from (f"    {_line(one)}" for one in content["examples"][state])


def _line(question: QuestionContent) -> str:
    from tidemill.cli._review_text import vote_line

    columns = "  ".join(
        f"{strip_control(name)}={format_value(value)}"
        for name, value in question["question"].items()
    )
    label = f" → '{strip_control(question['label'])}'" if question["label"] else ""
    votes = "; ".join(vote_line(vote) for vote in question["votes"][:4])
    return f"{columns}{label} ({votes})"
