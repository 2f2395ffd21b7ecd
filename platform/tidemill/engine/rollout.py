"""Walking a release to its users: one look at a time, each with its decision and its numbers.

Rules are asked in order and the first that answers decides: a stopped rollout, a mode that needs a
live release, broken guardrails, ratings that show harm, missing data, an unfinished step, ratings
that decide nothing, a missing approval. When none objects, the next step is taken.

The same rules decide the first release of a service: `tidemill.engine.first_release` says how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

from tidemill.engine.first_release import missing_baseline, plan_first_release
from tidemill.engine.guardrail import (
    GuardrailReading,
    GuardrailWindow,
    HealthLike,
    read_guardrail,
    signal,
)
from tidemill.engine.rollout_state import RolloutState, Status
from tidemill.engine.sequential import (
    Comparison,
    RatingSummary,
    SampleRatioTest,
    compare,
    sample_ratio_test,
)
from tidemill.spec.rollout import Rollout

Decision = Literal["promote", "hold", "roll_back", "ask", "done"]
_SIGNALS = ("error_rate", "latency_p50", "latency_p95")


@dataclass(frozen=True)
class Advance:
    """What to do now, why, and the state to remember."""

    decision: Decision
    reason: str
    percent: int
    """The candidate's share of the traffic from now on."""
    state: RolloutState
    numbers: Mapping[str, object] = field(default_factory=dict)
    """What the decision rests on; JSON-able."""


def advance(
    rollout: Rollout,
    state: RolloutState,
    health: Mapping[str, HealthLike],
    ratings: RatingSummary,
    now: datetime,
) -> Advance:
    """Decide one look.

    `health` is by release digest and covers the time since `state.since`. A guardrail's window
    stays open until it has seen its `min_requests`, then the next one starts, so that a release
    that turns bad late is not hidden by its good hours.
    """
    scene = Scene(rollout, state, health, ratings, now)
    for rule in _RULES:
        finding = rule(scene)
        if finding is not None:
            return scene.settle(*finding)
    return scene.onwards()


@dataclass(frozen=True)
class Scene:
    """One look: what is given, and what follows from it."""

    rollout: Rollout
    state: RolloutState
    health: Mapping[str, HealthLike]
    ratings: RatingSummary
    now: datetime

    @property
    def percent(self) -> int:
        """The candidate's share in the present step; 0 before the first."""
        return self.rollout.steps[self.state.step].percent if self.state.step >= 0 else 0

    @property
    def candidate(self) -> HealthLike | None:
        """What the candidate did; None where nothing is known."""
        return self.health.get(self.state.candidate)

    @property
    def live(self) -> HealthLike | None:
        """What the live release did; None where nothing is known."""
        return self.health.get(self.state.live) if self.state.live else None

    @property
    def gets_requests(self) -> bool:
        """True where the candidate gets requests (or copies of them) in this step."""
        return self.state.step >= 0 and (self.percent > 0 or self.rollout.mode == "shadow")

    @cached_property
    def readings(self) -> tuple[GuardrailReading, ...]:
        """Every guardrail at this look."""
        if not self.gets_requests:
            return ()
        window = GuardrailWindow(
            self.candidate,
            self.live,
            self.state.live is None,
            self.now - self.state.step_started,
            self.state.live_signals,
            self.state.strikes,
        )
        return tuple(read_guardrail(guardrail, window) for guardrail in self.rollout.guardrails)

    @cached_property
    def requests(self) -> int:
        """Answers of the candidate in this step so far."""
        return self.state.requests + (self.candidate.requests if self.candidate else 0)

    @cached_property
    def split(self) -> SampleRatioTest:
        """Whether subjects were dealt as the step says."""
        ratings = self.ratings
        return sample_ratio_test(ratings.live_subjects, ratings.candidate_subjects, self.percent)

    @cached_property
    def comparison(self) -> Comparison | None:
        """What the ratings say; None where the rollout does not look at them."""
        quality = self.rollout.quality
        if quality is None or self.state.live is None:
            return None
        return compare(
            self.ratings.rated,
            margin=quality.margin,
            alpha=quality.alpha,
            expected_ratings=quality.expected_ratings,
        )

    @property
    def is_approved_in_step(self) -> bool:
        """True where a person agreed in this very step."""
        return self.state.approved_step == self.state.step

    def settle(self, decision: Decision, reason: str) -> Advance:
        """The advance of a decision that does not move on."""
        state = self._state_after_look()
        if decision == "roll_back":
            state = replace(state, status="rolled_back")
        elif decision == "done" and state.status == "watched":
            state = replace(state, status="live")
        percent = 0 if state.status == "rolled_back" else self.percent
        return Advance(decision, reason, percent, state, self.numbers())

    def onwards(self) -> Advance:
        """The next step, or the end."""
        last = 0 if self.rollout.mode == "ab" else len(self.rollout.steps) - 1
        if self.state.step >= last:
            return self._end()
        if self.state.live is None:
            return self._first(last)
        index = self.state.step + 1
        percent = self.rollout.steps[index].percent
        state = self._state_after_look().entering(index, self.now)
        reason = f"on to {percent} %: {self._why()}"
        return Advance("promote", reason, percent, state, self.numbers())

    def _end(self) -> Advance:
        if self.state.status == "watched":
            return self.settle("done", f"the watch is over: {self._why()}")
        status: Status = "ended" if self.rollout.mode == "shadow" else "live"
        percent = 0 if status == "ended" else 100
        state = replace(self._state_after_look(), status=status)
        return Advance("done", _END[status], percent, state, self.numbers())

    def _first(self, last: int) -> Advance:
        """A service's first release: live for everybody, and watched where it has a limit."""
        plan = plan_first_release(self.rollout)
        state = self._state_after_look().entering(last, self.now)
        state = replace(state, status="watched" if plan.watches else "live")
        decision: Decision = "promote" if plan.watches else "done"
        percent = self.rollout.steps[last].percent
        return Advance(decision, str(plan), percent, state, self.numbers())

    def _why(self) -> str:
        if self.state.step < 0:
            return "the rollout begins"
        parts = [str(reading) for reading in self.readings if reading.outcome == "within"]
        if self.comparison and self.comparison.ratings:
            parts.append(f"ratings say {self.comparison.finding}")
        return "; ".join(parts) or "the step is over and nothing speaks against it"

    def _state_after_look(self) -> RolloutState:
        """The state after this look: strikes, cleared guardrails, and whether a window closed."""
        state = self.state
        judged = {r.name: r for r in self.readings if r.outcome in ("within", "beyond")}
        strikes = {**state.strikes, **{name: r.strikes for name, r in judged.items()}}
        within = {name for name, r in judged.items() if r.outcome == "within"}
        cleared = (state.cleared - judged.keys()) | within
        looked = replace(state, strikes=strikes, cleared=frozenset(cleared))
        if not self.readings or any(r.outcome == "no data" for r in self.readings):
            return looked
        live_readings = {name: signal(name, self.live) for name in _SIGNALS}
        measured = {name: value for name, value in live_readings.items() if value is not None}
        signals = {**state.live_signals, **measured}
        return replace(looked, since=self.now, requests=self.requests, live_signals=signals)

    def numbers(self) -> dict[str, object]:
        """What this look saw; JSON-able."""
        arms = {"candidate": self.candidate, "live": self.live}
        return {
            "step": self.state.step,
            "percent": self.percent,
            "seconds_in_step": (self.now - self.state.step_started).total_seconds(),
            "requests": self.requests,
            "health": {
                name: {"requests": h.requests, **{s: signal(s, h) for s in _SIGNALS}}
                for name, h in arms.items()
                if h is not None
            },
            "guardrails": [asdict(reading) for reading in self.readings],
            "ratings": asdict(self.comparison) if self.comparison else None,
            "split": asdict(self.split) if self.comparison else None,
        }


_END: Mapping[Status, str] = {
    "live": "every step went well: the candidate is live",
    "ended": "the shadow run is over; it answered nobody, a canary can follow",
}

Finding = tuple[Decision, str] | None


def _not_running(scene: Scene) -> Finding:
    status = scene.state.status
    if status == "paused":
        return "hold", "paused by a person; resume it with `tidemill rollout promote`"
    active = status in ("running", "watched")
    return None if active else ("done", f"this rollout is over: {status}")


def _no_baseline(scene: Scene) -> Finding:
    reason = missing_baseline(scene.rollout) if scene.state.live is None else None
    return ("hold", reason) if reason else None


def _accepted_by_user(scene: Scene) -> Finding:
    """A person who agrees to a first release that is live already ends its watch."""
    if scene.state.status != "watched" or not scene.is_approved_in_step:
        return None
    return "done", f"accepted by {scene.state.approved_by}; it is watched no longer"


def _guardrail_breached(scene: Scene) -> Finding:
    breaches = "; ".join(str(reading) for reading in scene.readings if reading.broken)
    if not breaches:
        return None
    if scene.state.live is None:
        return "ask", (
            f"{breaches}; there is no other release to go back to: run a better one, or accept "
            f"this one with `tidemill rollout promote {scene.rollout.service}`"
        )
    return "roll_back", breaches


def _strike(scene: Scene) -> Finding:
    beyond = [r for r in scene.readings if r.outcome == "beyond"]
    return ("hold", f"{beyond[0]} (look {beyond[0].strikes})") if beyond else None


def _sample_ratio_mismatch(scene: Scene) -> Finding:
    if scene.comparison is None or scene.split.sound or scene.is_approved_in_step:
        return None
    split = scene.split
    return "ask", (
        f"the split is wrong, so ratings cannot be trusted: the candidate was to get "
        f"{split.expected:.1%} of the subjects and got {split.observed:.1%} (p = {split.p:.1e})"
    )


def _harmful(scene: Scene) -> Finding:
    comparison = scene.comparison
    if comparison is None or comparison.finding != "harm" or not scene.split.sound:
        return None
    return (
        "roll_back",
        f"users rate it worse than the live release: {_describe_ratings(comparison)}",
    )


def _blind(scene: Scene) -> Finding:
    if not scene.gets_requests or not scene.rollout.guardrails:
        return None
    if scene.candidate is None or scene.candidate.requests == 0:
        arm = "release" if scene.state.status == "watched" else "candidate"
        return "hold", f"no data: the {arm} answered nothing since the last look"
    return None


def _unfinished(scene: Scene) -> Finding:
    if scene.state.step < 0:
        return None
    step = scene.rollout.steps[scene.state.step]
    remaining = (step.hold - (scene.now - scene.state.step_started)).total_seconds()
    if remaining > 0:
        part = "the watch" if scene.state.status == "watched" else "this step"
        return "hold", f"{remaining:.0f} s of {part} are left"
    if scene.gets_requests and scene.requests < step.min_requests:
        return "hold", f"{scene.requests} of {step.min_requests} answers so far"
    return None


def _unjudged(scene: Scene) -> Finding:
    within = scene.state.cleared | {r.name for r in scene.readings if r.outcome == "within"}
    open_ = [r for r in scene.readings if r.name not in within and r.outcome != "not applicable"]
    return ("hold", f"not judged yet: {open_[0]}") if open_ else None


def _undecided(scene: Scene) -> Finding:
    """Ratings decide before the live arm loses its last share: afterwards nothing is learnt."""
    comparison, quality = scene.comparison, scene.rollout.quality
    if comparison is None or quality is None or scene.state.step != _deciding_step(scene.rollout):
        return None
    if comparison.finding != "inconclusive" or scene.is_approved_in_step:
        return None
    message = f"ratings decide nothing yet: {_describe_ratings(comparison)}"
    if scene.rollout.mode == "ab" and comparison.ratings < quality.expected_ratings:
        return "hold", f"{message}, {quality.expected_ratings} ratings are expected"
    policy: dict[str, Finding] = {
        "hold": ("hold", message),
        "rollback": ("roll_back", message),
        "ask": ("ask", message),
        "promote": None,
    }
    return policy[scene.rollout.on_inconclusive]


def _deciding_step(rollout: Rollout) -> int:
    if rollout.mode == "ab":
        return 0
    split = [i for i, step in enumerate(rollout.steps) if 0 < step.percent < 100]
    return split[-1] if split else len(rollout.steps) - 1


def _unapproved(scene: Scene) -> Finding:
    approval = scene.rollout.approval
    if approval is None or scene.state.approved_by is not None:
        return None
    beyond = scene.onwards().percent
    limit = approval.before_percent or 0
    if beyond <= limit:
        return None
    people = " or ".join(approval.by) or "somebody"
    if scene.state.live is None:
        return "ask", f"{people} has to approve the first release before it gets traffic"
    return "ask", f"{people} has to approve before traffic goes beyond {limit} % (next: {beyond} %)"


def _describe_ratings(comparison: Comparison) -> str:
    return (
        f"difference {comparison.difference:+.3f} "
        f"({comparison.low:+.3f} to {comparison.high:+.3f}) "
        f"over {comparison.ratings} ratings of {comparison.subjects} subjects"
    )


_RULES = (
    _not_running,
    _no_baseline,
    _accepted_by_user,
    _guardrail_breached,
    _strike,
    _sample_ratio_mismatch,
    _harmful,
    _blind,
    _unfinished,
    _unjudged,
    _undecided,
    _unapproved,
)
