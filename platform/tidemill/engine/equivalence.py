"""Equivalence check: whether a compressed model still does its task, and which step failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from tidemill.engine.compression_goal import metric_loss
from tidemill.engine.concordance import (
    LABEL,
    Agreement,
    agree,
    detectable,
    rows_needed,
    surely_below,
)
from tidemill.engine.statistics import Interval
from tidemill.metrics import Scored, measure


@dataclass(frozen=True)
class HopComparison:
    """One compression step, with the answers to the same rows before and after it compared."""

    step: str
    """The step's or target's name."""
    kind: str
    """Kind of the artefact that the step built."""
    rows: int
    """Rows the agreement was counted on."""
    agreement: float | None
    """Share of equal answers (see `engine.concordance`); None where the step was not run."""
    low: float = 0.0
    high: float = 1.0
    """The agreement's bounds."""
    basis: str = LABEL
    """What was compared: `label`, `answer`, or a metric's name."""
    texts: float | None = None
    """Share of rows with the same text, word by word. Only for information: one last digit changes
    a word, and last digits differ between processors."""
    loss: Mapping[str, float] = field(default_factory=dict)
    """How much worse each metric became, in its own unit; negative where it became better."""
    bytes: int = 0
    ratio: float = 1.0
    """Bytes against the form before compression."""
    seconds: float = 0.0
    """Time the transformation took."""
    note: str = ""

    def to_dict(self) -> dict[str, object]:
        """The flat JSON form: each loss under `METRIC lost`."""
        flat = asdict(self)
        losses = flat.pop("loss")
        return {**flat, **{f"{name} lost": value for name, value in losses.items()}}


@dataclass(frozen=True)
class EquivalenceVerdict:
    """Whether all steps passed, and if not, which one failed."""

    passed: bool
    failed_step: str | None
    message: str


def compare(
    step: str,
    kind: str,
    before: Sequence[Scored],
    after: Sequence[Scored],
    metrics: Sequence[str],
    basis: str = LABEL,
) -> HopComparison:
    """Compare two forms of a model that answered the same rows in the same order."""
    if len(before) != len(after):
        raise ValueError(f"{len(before)} answers before and {len(after)} after: not the same rows")
    agreement = agree(before, after, basis, metrics)
    pairs = zip(before, after, strict=True)
    return HopComparison(
        step=step,
        kind=kind,
        rows=agreement.share.rows,
        agreement=agreement.share.value,
        low=agreement.share.low,
        high=agreement.share.high,
        basis=agreement.basis,
        texts=_share([a.answer.text.split() == b.answer.text.split() for a, b in pairs]),
        loss={
            name: metric_loss(name, measure(name, before), measure(name, after)) for name in metrics
        },
    )


def not_run(step: str, kind: str, note: str) -> HopComparison:
    """A step that was not run: it has no agreement, and fails nothing."""
    return HopComparison(step, kind, 0, None, note=note)


def judge(hops: Sequence[HopComparison], min_agreement: float) -> EquivalenceVerdict:
    """A step fails where the upper bound of its agreement is below the limit.

    A correct step fails at most one time in forty where its true agreement is the limit itself,
    and less above it, on any number of rows. The message says what so few rows cannot show.
    """
    run = [hop for hop in hops if hop.agreement is not None]
    broken = [hop for hop in run if surely_below(_interval(hop), min_agreement)]
    if broken:
        worst = min(broken, key=_agreement_of)
        return EquivalenceVerdict(
            False,
            worst.step,
            f"'{worst.step}' changed the answers: {_alike(worst)}, and min_agreement is "
            f"{min_agreement:.1%}; make that step milder, drop it, or lower "
            "equivalence.min_agreement",
        )
    parts = [f"{len(run)} steps checked"]
    if run:
        least = min(run, key=_agreement_of)
        parts += [f"lowest agreement after '{least.step}': {_alike(least)}"]
        parts += [_power(least, min_agreement)]
    parts += [f"'{hop.step}' was not run" for hop in hops if hop.agreement is None]
    return EquivalenceVerdict(True, None, "; ".join(parts))


def with_size(
    hop: HopComparison, size: int, source: float, seconds: float, note: str = ""
) -> HopComparison:
    """The comparison with its artefact's size, the ratio to the source, and the seconds."""
    ratio = size / source if source else 1.0
    return replace(hop, bytes=size, ratio=ratio, seconds=seconds, note=note)


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def _agreement_of(hop: HopComparison) -> float:
    return hop.agreement if hop.agreement is not None else 1.0


def _interval(hop: HopComparison) -> Interval:
    return Interval(_agreement_of(hop), hop.low, hop.high, hop.rows)


def _alike(hop: HopComparison) -> str:
    return str(Agreement(hop.basis, _interval(hop)))


def _power(hop: HopComparison, limit: float) -> str:
    """What this number of rows can show, and how many rows would show more."""
    if _agreement_of(hop) < limit:
        row_count = rows_needed(_agreement_of(hop), limit)
        advice = f"about {row_count} would show it" if row_count else "no number of rows shows it"
        return (
            f"below min_agreement {limit:.1%}, but on {hop.rows} rows that may be chance: {advice}"
        )
    least = detectable(hop.rows, limit)
    if least is None:
        return f"{hop.rows} rows are too few to refuse anything at {limit:.1%}"
    return f"{hop.rows} rows show a step that keeps {least:.1%} or less"
