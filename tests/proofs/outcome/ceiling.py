"""What could be reached: with all labels, by the same recipe and by a linear head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.proofs.outcome.crowd import Crowd
from tests.proofs.outcome.project import SERVICE, Desk
from tests.proofs.outcome.questions import Question, Questions
from tests.proofs.outcome.turn import await_service, measure
from tidemill.models.fetch import fetch
from tidemill.spec.model import Model


def everything(questions: Questions) -> list[Question]:
    """Every row a label could be had for, rightly labelled."""
    return [*questions.first, *(one for one in questions.pool if one.label is not None)]


def recipe(folder: Path, questions: Questions, crowd: Crowd) -> dict[str, Any]:
    """The same project on all labels from the start: what it then serves."""
    desk = Desk(folder)
    desk.begin(everything(questions))
    desk.types("run", SERVICE)
    desk.types("up")
    try:
        asking = Crowd(desk.settings, SERVICE, crowd.labels, crowd.seed)
        await_service(desk, asking)
        return measure(asking, questions)
    finally:
        desk.types("down")


def head(desk: Desk, questions: Questions, rows: Sequence[Question]) -> dict[str, Any]:
    """A logistic regression on the project's frozen encoder, trained on `rows`."""
    from sklearn.linear_model import LogisticRegression

    from tidemill.runtimes.sentence import Encoder

    home = desk.home()
    spec = home.project(SERVICE).spec("minilm", Model)
    weights = fetch(spec, project=desk.specs, cache=desk.settings.cache, tell=lambda _: None)
    encode = Encoder(weights.folder).encode
    model = LogisticRegression(C=10, max_iter=2000)
    model.fit(encode([row.text for row in rows]), [str(row.label) for row in rows])
    inside = [one for one in questions.held_out if one.label is not None]
    answers = model.predict(encode([one.text for one in inside]))
    right = [answer == one.label for answer, one in zip(answers, inside, strict=True)]
    groups = [questions.group(one) for one in inside]
    share = {
        name: round(sum(r for r, g in zip(right, groups, strict=True) if g == name) / n, 4)
        for name in ("known", "new")
        if (n := groups.count(name))
    }
    return {"accuracy": round(sum(right) / len(right), 4), **share, "rows": len(rows)}
