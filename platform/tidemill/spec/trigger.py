"""Kind Trigger: when to run."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from tidemill.catalog import TRIGGERS, Catalog
from tidemill.spec.base import (
    AddedLater,
    Duration,
    FieldConflict,
    Frozen,
    NamesTechnique,
    RefersTo,
    Spec,
    Technique,
)


class Condition(Technique):
    """One reason to act."""

    catalog: ClassVar[Catalog] = TRIGGERS
    type: Annotated[str, NamesTechnique(TRIGGERS)]
    """The condition's name."""


class TriggerConditions(Frozen):
    """Conditions joined by `any` or `all`."""

    any: tuple[Condition, ...] = ()
    """One of these is enough."""
    all: tuple[Condition, ...] = ()
    """Every one of these has to hold."""

    @model_validator(mode="after")
    def _check_one_list(self) -> Self:
        if bool(self.any) == bool(self.all):
            cause = "'when' needs one list of conditions"
            raise FieldConflict("any", cause, "give exactly one of any and all")
        return self


class Debounce(Frozen):
    """Wait for a burst to end, but not for ever."""

    quiet: Duration = timedelta(seconds=0)
    """Fire only after this long without a new event."""
    max_wait: Duration = timedelta(hours=1)
    """Fire at the latest this long after the condition first held."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.quiet > self.max_wait:
            cause = "'quiet' is longer than 'max_wait'"
            raise FieldConflict("quiet", cause, "make quiet shorter, or max_wait longer")
        return self


class ApprovalRule(Frozen):
    """A person has to agree."""

    by: tuple[str, ...] = ()
    """E-mail addresses of people who may approve; anybody when empty."""
    before_percent: int | None = Field(default=None, ge=0, le=100)
    """Rollouts only: needed before traffic goes beyond this share."""
    not_by_author: Annotated[bool, AddedLater()] = False
    """True where nobody may approve a change that they wrote themselves."""


RUNNABLE = ("Dataset", "Prompt", "FineTune", "Compression", "Evaluation", "Rollout")
Runnable = Annotated[str, RefersTo(RUNNABLE)]


class Trigger(Spec):
    """When to start a run."""

    kind: Literal["Trigger"]
    of: Annotated[str, RefersTo(("Feedback",))] | None = None
    """The stream its conditions look at; needed by all but schedule and spec_change."""
    when: TriggerConditions
    """The conditions."""
    run: tuple[Runnable, ...] = Field(min_length=1)
    """Assets to build, with everything between them that is stale. A Prompt is searched as its
    `optimise` says, on the rows and comments up to the firing; a gain becomes a pull request."""
    debounce: Debounce = Debounce()
    """Wait for a burst to end."""
    cooldown: Duration = timedelta(hours=1)
    """Shortest time between two firings."""
    daily_limit: int = Field(default=4, ge=1)
    """Most firings in 24 hours."""
    approval: ApprovalRule | None = None
    """Ask a person first."""
    mode: Literal["live", "paused"] = "live"
    """`paused` decides and explains, and starts nothing."""
