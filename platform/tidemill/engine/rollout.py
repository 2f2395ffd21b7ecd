"""Walking a release to its users: one look at a time, each with its decision and its numbers.

The rules of `tidemill.engine.rollout_rules` are asked in order and the first that answers decides.
When none objects, the next step is taken; after the last one the release is live and watched.

The same rules decide the first release of a service: `tidemill.engine.first_release` says how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

from tidemill.amounts import format_seconds
from tidemill.engine.arm_health import ArmHealth
from tidemill.engine.first_release import plan_first_release
from tidemill.engine.guardrail import (
    ENOUGH,
    GuardrailReading,
    GuardrailWindow,
    guardrail_name,
    read_guardrail,
    signal,
    signal_estimates,
)
from tidemill.engine.rollout_rules import RULES, STALLING_RULES
from tidemill.engine.rollout_rules import Decision as Decision
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import (
    Comparison,
    RatingSummary,
    SampleRatioTest,
    compare,
    sample_ratio_test,
)
from tidemill.engine.shadow_comparison import ShadowComparison, compare_shadow
from tidemill.engine.shadow_pair import ShadowPair
from tidemill.spec.rollout import Rollout

_SIGNALS = ("error_rate", "overload_rate", "latency_p50", "latency_p95")


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
    is_stalled: bool = False
    """True for a hold that does not end by itself."""


def advance(
    rollout: Rollout,
    state: RolloutState,
    health: Mapping[str, ArmHealth],
    ratings: RatingSummary,
    now: datetime,
    pairs: Sequence[ShadowPair] = (),
) -> Advance:
    """Decide one look; `pairs` are what a shadow and the live release answered in this step.

    `health` is by release digest and covers the time since `state.since`. That window stays open
    until every guardrail is judged and has seen enough answers, then the next one starts: bounds
    get narrow, and a release that turns bad late is not hidden by its good hours.
    """
    scene = Scene(rollout, state, health, ratings, now, pairs)
    for rule in RULES:
        finding = rule(scene)
        if finding is not None:
            stalls = rule in STALLING_RULES and scene.waited_long_enough and not scene.is_watched
            settled = scene.settle(*finding)
            return replace(settled, is_stalled=stalls and settled.decision == "hold")
    return scene.onwards()


@dataclass(frozen=True)
class Scene:
    """One look: what is given, and what follows from it."""

    rollout: Rollout
    state: RolloutState
    health: Mapping[str, ArmHealth]
    ratings: RatingSummary
    now: datetime
    pairs: Sequence[ShadowPair] = ()

    @property
    def percent(self) -> int:
        """The candidate's share in the present step; 0 before the first."""
        if self.is_watched:
            return 100
        return self.rollout.steps[self.state.step].percent if self.state.step >= 0 else 0

    @property
    def is_watched(self) -> bool:
        """True for a release that is live and looked at still."""
        return self.state.status == "watched"

    @property
    def hold(self) -> timedelta:
        """Shortest time of the present step, or of the watch."""
        if self.is_watched and self.state.live is not None:
            return self.rollout.watch
        return self.rollout.steps[self.state.step].hold

    @property
    def longest_doubt(self) -> timedelta:
        """Time in this step after which a limit that is not shown to be exceeded counts as kept."""
        return max(self.hold, self.rollout.on_no_data.after)

    @property
    def waited_long_enough(self) -> bool:
        """True where missing data was waited for as long as the spec says."""
        return self.now - self.state.since >= self.rollout.on_no_data.after

    @property
    def candidate(self) -> ArmHealth | None:
        """What the candidate did; None where nothing is known."""
        return self.health.get(self.state.candidate)

    @property
    def live(self) -> ArmHealth | None:
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
            self._no_comparison,
            self.now - self.state.step_started,
            self.state.strikes,
        )
        return tuple(read_guardrail(guardrail, window) for guardrail in self.rollout.guardrails)

    @property
    def _no_comparison(self) -> str:
        """Why no other arm has traffic in this time; empty where one has."""
        if self.state.live is None:
            return "there is no live release"
        if self.percent < 100 or self.rollout.mode == "shadow":
            return ""
        return "the release before has no traffic"

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The data that this step lacks."""
        if not self.gets_requests:
            return ()
        found = []
        if self.rollout.guardrails and (self.candidate is None or self.candidate.requests == 0):
            arm = "release" if self.is_watched else "candidate"
            found.append(f"the {arm} answered nothing since the last look")
        step = self.rollout.steps[self.state.step]
        if self.requests < step.min_requests:
            needed = f"{step.min_requests} answers that this step needs"
            found.append(f"the candidate has {self.requests} of the {needed}")
        if self.rollout.min_agreement is not None and self.shadow is None:
            found.append("no request was answered by both releases")
        return (*found, *(reading.wait for reading in self._unjudged))

    @property
    def refused(self) -> int:
        """Requests that the candidate refused for overload, where it answered none; else 0."""
        found = self.candidate
        return found.overloaded if found and found.requests == 0 else 0

    @property
    def _unjudged(self) -> list[GuardrailReading]:
        settled = ("within", "unclear", "not applicable")
        found = [r for r in self.readings if r.outcome not in settled]
        return [reading for reading in found if reading.name not in self.state.cleared]

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
        if quality is None or self.state.live is None or self.rollout.mode == "shadow":
            return None
        return compare(
            self.ratings.rated,
            margin=quality.margin,
            alpha=quality.alpha,
            expected_ratings=quality.expected_ratings,
        )

    @cached_property
    def shadow(self) -> ShadowComparison | None:
        """What the shadow answered beside the live release; None where nothing is paired."""
        return compare_shadow(self.pairs) if self.rollout.mode == "shadow" else None

    @property
    def rating_wait(self) -> timedelta:
        """Time that is left in a shared step for ratings to exclude harm; 0 or less: none."""
        if not 0 < self.percent < 100:
            return timedelta(0)
        step = self.rollout.steps[self.state.step]
        return step.ratings_within - (self.now - self.state.step_started)

    @property
    def is_approved_in_step(self) -> bool:
        """True where a person agreed in this very step."""
        return self.state.approved_step == self.state.step

    def settle(self, decision: Decision, reason: str) -> Advance:
        """The advance of a decision that does not move on."""
        state = self._state_after_look()
        if decision == "roll_back":
            state = replace(state, status="rolled_back")
        elif decision == "done" and self.is_watched:
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
        state = self._state_after_look()
        if self.rollout.mode == "shadow":
            ended = replace(state, status="ended")
            reason = f"{_ENDED}: {self._why()}" if self.shadow else _ENDED
            return Advance("done", reason, 0, ended, self.numbers())
        watched = self._watched_signals
        if not watched:
            return Advance("done", _LIVE, 100, replace(state, status="live"), self.numbers())
        state = state.entering(state.step, self.now)
        state = replace(state, status="watched", approved_step=None)
        length = format_seconds(self.rollout.watch.total_seconds())
        reason = f"{_LIVE}; {self._why()}; watched for {length}: {', '.join(watched)}"
        return Advance("done", reason, 100, state, self.numbers())

    @property
    def _watched_signals(self) -> list[str]:
        """What a watch of the promoted release looks at; empty where there is none."""
        if not self.rollout.watch:
            return []
        limits = (limit for limit in self.rollout.guardrails if limit.at_most is not None)
        ratings = [f"{self.rollout.quality.metric} ratings"] if self.rollout.quality else []
        return [*map(guardrail_name, limits), *ratings]

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
        parts = [str(r) for r in self.readings if r.outcome in ("within", "unclear")]
        parts += self.missing
        if self.comparison and self.comparison.ratings:
            parts.append(f"ratings say {self.comparison.finding}")
        parts += [str(self.shadow.agreement)] if self.shadow else []
        return "; ".join(parts) or "the step is over and nothing speaks against it"

    def _state_after_look(self) -> RolloutState:
        """The state after this look: strikes, cleared guardrails, and whether a window closed."""
        state = self.state
        judged = {r.name: r for r in self.readings if r.outcome in ("within", "beyond", "unclear")}
        strikes = {**state.strikes, **{name: r.strikes for name, r in judged.items()}}
        within = {name for name, r in judged.items() if r.outcome == "within"}
        cleared = (state.cleared - judged.keys()) | within
        looked = replace(state, strikes=strikes, cleared=frozenset(cleared))
        return replace(looked, since=self.now, requests=self.requests) if self._closes else looked

    @property
    def _closes(self) -> bool:
        """True where the next look begins a new window."""
        outcomes = {reading.outcome for reading in self.readings}
        if not outcomes or "no data" in outcomes:
            return False
        if "beyond" in outcomes or ("too early" in outcomes and "unclear" not in outcomes):
            return True
        return self._fewest_answers >= ENOUGH

    @property
    def _fewest_answers(self) -> int:
        """Answers of the arm that has the fewest for its guardrails."""
        counts = []
        for guardrail in self.rollout.guardrails:
            compares = guardrail.max_ratio_to_live is not None
            arms = [self.candidate, self.live] if compares else [self.candidate]
            works = [signal_estimates(guardrail.signal, arm).values() for arm in arms]
            counts += [max(work.answers for work in found) for found in works if found]
        return min(counts, default=0)

    def numbers(self) -> dict[str, object]:
        """What this look saw; JSON-able."""
        arms = {"candidate": self.candidate, "live": self.live}
        return {
            "step": self.state.step,
            "percent": self.percent,
            "seconds_in_step": (self.now - self.state.step_started).total_seconds(),
            "requests": self.requests,
            "health": {
                name: {
                    "requests": h.requests,
                    "timed": h.timed,
                    **{s: signal(s, h) for s in _SIGNALS},
                }
                for name, h in arms.items()
                if h is not None
            },
            "guardrails": [asdict(reading) for reading in self.readings],
            "ratings": asdict(self.comparison) if self.comparison else None,
            "split": asdict(self.split) if self.comparison else None,
            "shadow": self.shadow.to_dict() if self.shadow else None,
        }


_LIVE = "every step went well: the candidate is live"
_ENDED = "the shadow run is over; it answered nobody, a canary can follow"
