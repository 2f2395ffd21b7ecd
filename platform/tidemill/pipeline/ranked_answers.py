"""A recommender's answers to the rows of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.answer import Answer
from tidemill.data.item_counts import ranked_answer
from tidemill.errors import DataError
from tidemill.pipeline.answers import BLOCK, EvaluatedRow, row_id
from tidemill.progress import Progress
from tidemill.rows import DatasetRow
from tidemill.runtimes import RankedItems, Ranker


def answer_histories(
    runtime: Ranker, rows: Sequence[DatasetRow], say: Progress, title: str
) -> list[EvaluatedRow]:
    """The recommendations for each row's `history`, with what came next as the reference."""
    lacking = {"history", "label"} - rows[0].keys()
    if lacking:
        raise DataError(
            f"a recommender is judged on the columns 'history' and 'label'; the rows have no "
            f"{' and no '.join(sorted(lacking))}. Use a dataset with 'format: ranking'"
        )
    answers: list[EvaluatedRow] = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        ranked = runtime.rank([list(row["history"]) for row in block])
        for index, (row, items) in enumerate(zip(block, ranked, strict=True), start):
            answers.append(_evaluate_row(row, index, items, len(runtime.form.labels)))
        say(title, done=len(answers), total=len(rows))
    return answers


def _evaluate_row(row: DatasetRow, index: int, items: RankedItems, candidates: int) -> EvaluatedRow:
    answer = ranked_answer(items.ids, candidates)
    reference = Answer(str(row["label"]), str(row["label"]))
    seconds = items.seconds
    return EvaluatedRow(
        row_id(row, index), reference, answer, answer.text, seconds, 0, 1, "stop", row
    )
