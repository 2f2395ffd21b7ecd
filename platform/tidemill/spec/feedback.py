"""Kind Feedback: the contract of one stream."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill.spec.base import Duration, Fraction, Misfit, Spec

FeedbackKind = Literal["thumbs", "score", "correction", "comment", "preference", "outcome"]


class Feedback(Spec):
    """The contract of one stream of feedback."""

    kind: Literal["Feedback"]
    topic: str = Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")
    """Kafka topic the applications write to."""
    service: str
    """The service whose answers it is about (the `service` of a Rollout)."""
    kinds: tuple[FeedbackKind, ...] = ("thumbs", "score", "correction", "comment")
    """Kinds that are accepted; others go to quarantine."""
    score_range: tuple[float, float] = (1.0, 5.0)
    """Smallest and largest `score`."""
    join_window: Duration = timedelta(hours=1)
    """How long feedback waits for the inference record it names; then it is quarantined."""
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
            raise Misfit("score_range", cause, "write the smallest score first")
        if self.dead_letter == self.topic:
            cause = f"dead_letter is the topic itself, '{self.topic}'"
            raise Misfit("dead_letter", cause, "name another one")
        return self
