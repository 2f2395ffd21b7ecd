"""The rules of a look at a rollout that go by ratings, and by a shadow's answers.

What is shown decides; what is not shown is waited for, and then `on_inconclusive` decides.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Literal

from tidemill.amounts import format_seconds
from tidemill.engine.sequential import Comparison
from tidemill.spec.rollout import Rollout

if TYPE_CHECKING:
    from tidemill.engine.rollout import Scene

Decision = Literal["promote", "hold", "roll_back", "ask", "done"]
Finding = tuple[Decision, str] | None


def differs_from_live(scene: Scene) -> Finding:
    """A shadow's answers are judged once its hold is over: until then nobody gets them."""
    comparison, limit = scene.shadow, scene.rollout.min_agreement
    if comparison is None or limit is None or scene.is_approved_in_step:
        return None
    finding, message = comparison.classify(limit), comparison.describe(limit)
    if finding == "differs":
        return "roll_back", f"the shadow answers differently: {message}"
    if finding == "agrees":
        return None
    return _without_proof(scene.rollout, f"agreement is not decided: {message}")


def _without_proof(rollout: Rollout, message: str) -> Finding:
    """What the spec wants where nothing is shown; None to go on."""
    policy: dict[str, Finding] = {
        "hold": ("hold", message),
        "rollback": ("roll_back", message),
        "ask": ("ask", message),
        "promote": None,
    }
    return policy[rollout.on_inconclusive]


def harm_not_excluded(scene: Scene) -> Finding:
    """The share grows when ratings exclude harm, or when the step's time for them is over."""
    comparison = scene.comparison
    if comparison is None or comparison.finding != "inconclusive" or scene.is_approved_in_step:
        return None
    if scene.rating_wait <= timedelta(0):
        return None
    remaining = format_seconds(ceil(scene.rating_wait.total_seconds()))
    return "hold", (
        f"ratings do not exclude harm yet: {describe_ratings(comparison)}; "
        f"{remaining} of the time for ratings are left"
    )


def ratings_undecided(scene: Scene) -> Finding:
    """Ratings decide before the live arm loses its last share: afterwards nothing is learnt."""
    comparison, quality = scene.comparison, scene.rollout.quality
    if comparison is None or quality is None or scene.is_watched:
        return None
    if scene.state.step != deciding_step(scene.rollout):
        return None
    if comparison.finding != "inconclusive" or scene.is_approved_in_step:
        return None
    message = f"ratings decide nothing yet: {describe_ratings(comparison)}"
    if scene.rollout.mode == "ab" and comparison.ratings < quality.expected_ratings:
        return "hold", f"{message}, {quality.expected_ratings} ratings are expected"
    return _without_proof(scene.rollout, message)


def deciding_step(rollout: Rollout) -> int:
    """Index of the step at whose end ratings decide: the last that both arms share."""
    if rollout.mode == "ab":
        return 0
    split = [i for i, step in enumerate(rollout.steps) if 0 < step.percent < 100]
    return split[-1] if split else len(rollout.steps) - 1


def describe_ratings(comparison: Comparison) -> str:
    """The difference with its bounds, and what it rests on."""
    return (
        f"difference {comparison.difference:+.3f} "
        f"({comparison.low:+.3f} to {comparison.high:+.3f}) "
        f"over {comparison.ratings} ratings of {comparison.subjects} subjects"
    )
