"""Kind Feedback: the contract of one stream."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill.spec.base import Duration, FieldConflict, Fraction, Spec

FeedbackKind = Literal[
    "thumbs", "score", "correction", "comment", "preference", "outcome", "review"
]


class Feedback(Spec):
    """The contract of one stream of feedback."""

    kind: Literal["Feedback"]
    topic: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")
    """Kafka topic the applications write to."""
    service: str
    """The service whose answers it is about (the `service` of a Rollout)."""
    kinds: tuple[FeedbackKind, ...] = ("thumbs", "score", "correction", "comment")
    """Kinds that are accepted; others go to quarantine. A `review` outranks all votes: accept it
    where those who may write to the topic may settle labels."""
    score_range: tuple[float, float] = (1.0, 5.0)
    """Smallest and largest `score`."""
    join_window: Duration = timedelta(hours=1)
    """Time that feedback waits for its inference record before it is quarantined."""
    late_after: Duration = timedelta(days=30)
    """Feedback older than this on arrival is kept, marked late, and triggers nothing."""
    max_weight_per_subject: Fraction = 0.05
    """Largest share one subject may have in any rate or dataset made from the stream."""
    dead_letter: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9._-]{1,249}$")
    """Kafka topic that quarantined events are also copied to."""

    @model_validator(mode="after")
    def _sane(self) -> Self:
        low, high = self.score_range
        if low >= high:
            cause = f"the score range [{low:g}, {high:g}] does not rise"
            raise FieldConflict("score_range", cause, "write the smallest score first")
        if self.dead_letter == self.topic:
            cause = f"dead_letter is the topic itself, '{self.topic}'"
            raise FieldConflict("dead_letter", cause, "name another one")
        return self
