"""Kind Rollout: how traffic moves to a release."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tidemill.spec.base import (
    AddedLater,
    Duration,
    FieldConflict,
    Fraction,
    Frozen,
    Name,
    RefersTo,
    Spec,
)
from tidemill.spec.trigger import ApprovalRule


class RolloutStep(Frozen):
    """A share of the traffic, and how long it has to go well."""

    percent: int = Field(ge=0, le=100)
    """Share of subjects that the candidate answers; 0 is a dark launch."""
    hold: Duration = timedelta(minutes=10)
    """Shortest time at this share."""
    min_requests: int = Field(default=0, ge=0)
    """Fewest answers of the candidate before the next step."""
    ratings_within: Annotated[Duration, AddedLater()] = timedelta(0)
    """Longest time at this share in which the next one waits for `quality` to exclude a loss beyond
    the margin. After it the guardrails decide, in the last shared step `on_inconclusive`."""


class Guardrail(Frozen):
    """A limit on a dense signal; exactly one of `at_most` and `max_ratio_to_live`.

    A limit is exceeded where the 95 % bounds say so: the candidate's lower bound lies above it.
    """

    signal: Literal["error_rate", "overload_rate", "latency_p50", "latency_p95"]
    """Signal to watch. Latencies are those of generated answers in seconds, without the first ones
    after a start; streamed answers are compared with streamed ones. `overload_rate` is the share of
    requests refused by a full queue or a server that starts; they are no errors."""
    at_most: float | None = Field(default=None, ge=0)
    """Absolute limit. Where the live arm exceeds it in the same time as well, a candidate goes back
    only if it is clearly worse than live."""
    max_ratio_to_live: float | None = Field(default=None, gt=0)
    """Limit relative to the live arm in the same time: the candidate's lower bound may not exceed
    this many times the live arm's upper bound. Does not apply where live has no traffic."""
    failure_limit: int = Field(default=1, ge=1)
    """Looks in a row beyond the limit before the rollback."""
    initial_delay: Duration = timedelta(0)
    """Time after a step's start before looking."""
    min_requests: int = Field(default=10, ge=1)
    """Fewest answers that carry the signal, of each arm that is compared, for a look to count; for
    latencies only generated answers do. Fewer are no data: see `on_no_data`."""

    @model_validator(mode="after")
    def _check_one_limit(self) -> Self:
        if (self.at_most is None) == (self.max_ratio_to_live is None):
            way_out = "give exactly one of at_most and max_ratio_to_live"
            raise FieldConflict(
                "signal", f"the guardrail on {self.signal} needs one limit", way_out
            )
        return self


class RatingQuality(Frozen):
    """Comparison of users' ratings by a confidence sequence, which is valid at every analysis."""

    metric: Literal["thumbs", "score", "outcome"] = "thumbs"
    """Feedback kind used as rating; thumbs are 0 or 1, scores are scaled to 0..1."""
    margin: float = Field(default=0.02, ge=0)
    """Loss that would be accepted."""
    alpha: float = Field(default=0.05, gt=0, lt=1)
    """False alarms allowed over the whole rollout."""
    expected_ratings: int = Field(default=1000, ge=1)
    """Number of ratings the interval is made narrowest for; fixed before the start."""


class NoDataRule(Frozen):
    """What happens when a step lacks the data that judges it."""

    after: Duration = timedelta(minutes=30)
    """Time to wait for missing answers, and for answers that show a limit exceeded or kept. It
    begins with the step, or with the last look that judged all."""
    then: Literal["judge_others", "hold", "roll_back"] = "judge_others"
    """`judge_others` goes on by the signals that have data, and names the others; `hold` waits
    until data or a person comes (`tidemill rollout promote`)."""


class ExpectedTraffic(Frozen):
    """The traffic that a service is expected to have, for as long as none is measured."""

    requests_per_day: float = Field(gt=0)
    """Requests of all users together."""
    rating_rate: Fraction = 0.0
    """Share of the answers that users rate, 0 to 1."""


class Direct(Frozen):
    """The controller talks to the cluster itself."""

    mode: Literal["direct"]
    """Picks the shape."""


class RenderToGit(Frozen):
    """Each step's InferenceService is committed; Argo CD or Flux applies it."""

    mode: Literal["render-to-git"]
    """Picks the shape."""
    path: str = "deploy"
    """Folder of the repository, from its root; the file is `<service>.yaml` in it."""
    branch: str | None = Field(default=None, min_length=1)
    """Branch that gets the commits; the one that the specs are on when not given."""

    @model_validator(mode="after")
    def _inside(self) -> Self:
        parts = PurePosixPath(self.path).parts
        if not parts or parts[0] in ("/", ".git") or ".." in parts:
            cause = f"'path: {self.path}' is no folder inside the repository"
            raise FieldConflict("path", cause, "write one such as deploy/production")
        return self


Apply = Annotated[Direct | RenderToGit, Field(discriminator="mode")]


class Rollout(Spec):
    """How traffic moves to a release."""

    kind: Literal["Rollout"]
    of: Annotated[str, RefersTo(("FineTune", "Compression"))]
    """The model to release."""
    judged_by: Annotated[str, RefersTo(("Evaluation",))]
    """The evaluation whose gates it has to pass."""
    service: Name
    """The name applications call; one live release each."""
    driver: Literal["local", "kserve-standard", "kserve-knative"] = "local"
    """Deployment driver."""
    apply: Annotated[Apply, AddedLater()] = Direct(mode="direct")
    """How a step is applied to a cluster; `render-to-git` needs a kserve driver."""
    mode: Literal["canary", "ab", "shadow"] = "canary"
    """`canary` walks the steps, `ab` holds the first step until ratings decide, `shadow` copies
    requests and answers nobody."""
    steps: tuple[RolloutStep, ...] = Field(min_length=1)
    """Rising shares; a canary's last one is 100."""
    guardrails: tuple[Guardrail, ...] = ()
    """Limits that roll back at once."""
    quality: RatingQuality | None = None
    """Judgement by users' ratings."""
    interval: Duration = timedelta(seconds=30)
    """Time between two looks."""
    on_inconclusive: Literal["hold", "promote", "rollback", "ask"] = "ask"
    """Action when the last step's hold is over and ratings are inconclusive."""
    on_no_data: Annotated[NoDataRule, AddedLater()] = NoDataRule()
    """Action when the step's hold is over and a signal or `min_requests` still lacks answers."""
    watch: Annotated[Duration, AddedLater()] = timedelta(days=1)
    """Time after the last step in which absolute guardrails, and ratings against those of the
    former release, still bring that release back by themselves; `0s` ends with the last step."""
    min_agreement: Annotated[Fraction | None, AddedLater()] = None
    """Least agreement of a shadow's answers with those that users got to the same requests: the
    same label, or ROUGE-L of free texts. Where even the upper 95 % bound lies below it when the
    step's hold is over, the candidate is rolled back; where the bounds do not decide,
    `on_inconclusive` does."""
    finish_within: Annotated[Duration, AddedLater()] = timedelta(weeks=4)
    """Longest time to the last step's end. `tidemill validate` refuses a rollout that needs longer
    at the traffic there is: for requests or for ratings that come too slowly."""
    traffic: Annotated[ExpectedTraffic | None, AddedLater()] = None
    """The expected traffic. What was measured in the last 28 days counts instead, where a service
    has answered for a day."""
    approval: ApprovalRule | None = None
    """A person has to agree."""
    keep_versions: int = Field(default=3, ge=1)
    """Former releases kept ready for a rollback: their folders stay, and on this machine the newest
    one's processes keep running; those before it are started when they are needed."""
    cache: bool = True
    """Answer a repeated request from the exact-response cache."""

    @model_validator(mode="after")
    def _check_steps_rise(self) -> Self:
        shares = [step.percent for step in self.steps]
        if any(b <= a for a, b in pairwise(shares)):
            raise FieldConflict(
                "steps", f"the steps do not rise: {shares}", "put the smallest share first"
            )
        if self.mode == "canary" and shares[-1] != 100:
            cause = f"the canary ends at {shares[-1]} percent"
            raise FieldConflict("steps", cause, "add a last step with 'percent: 100'")
        return self
