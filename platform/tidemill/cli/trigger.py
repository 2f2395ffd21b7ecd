"""Explain why a trigger fires or not, and backtest it on past feedback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from tidemill.errors import TidemillError
from tidemill.settings import Settings
from tidemill.spec.feedback import Feedback
from tidemill.spec.trigger import Trigger
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.engine.trigger import TriggerVerdict
    from tidemill.records import TriggerDecision
    from tidemill.spec.load import Project


@dataclass(frozen=True)
class _Search:
    prompt: str
    method: str
    model: str
    """What answers."""
    calls: int
    """Most model calls."""


@dataclass(frozen=True)
class _Explanation:
    trigger: str
    """`project/name`."""
    decision: TriggerVerdict
    history: tuple[TriggerDecision, ...]
    """What it decided before, newest first."""
    run: tuple[str, ...] = ()
    searches: tuple[_Search, ...] = ()
    """Prompts among what it runs, which are searched."""

    @property
    def verdict(self) -> str:
        decision = self.decision
        return "fires" if decision.fires else f"does not fire ({decision.blocked_by})"

    def to_dict(self) -> dict[str, object]:
        """Under the keys of `--json`."""
        return {
            "trigger": self.trigger,
            "fire": self.decision.fires,
            "verdict": self.verdict,
            "blocked_by": self.decision.blocked_by,
            "reason": self.decision.reason,
            "numbers": self.decision.numbers,
            "held_since": self.decision.held_since,
            "run": self.run,
            "searches": [asdict(search) for search in self.searches],
            "fired": [
                {
                    "at": d.decided_at,
                    "state": d.state,
                    "reason": d.reason,
                    "run": d.run_id,
                    "message": d.message,
                }
                for d in self.history
            ],
        }


@click.group()
def command() -> None:
    """Explain why a trigger fires or not, and backtest it on past feedback."""


@command.command(
    epilog=examples_epilog("tidemill trigger explain retrain", "tidemill trigger explain")
)
@click.argument("name", required=False)
@json_option
@pass_settings
def explain(settings: Settings, name: str | None, as_json: bool) -> None:
    """Say why each trigger (or NAME) fires or does not, now; starts nothing."""
    triggers = _triggers(settings, name)
    explanations = [_explain(settings, project, trigger) for project, trigger, _ in triggers]
    if as_json:
        print_json([explanation.to_dict() for explanation in explanations])
        return
    for explanation in explanations:
        decision = explanation.decision
        verdict = "fires" if decision.fires else "does not fire"
        click.echo(f"{explanation.trigger}: {verdict}: {decision.reason}")
        for condition, numbers in decision.numbers.items():
            click.echo(f"    {condition.partition(':')[2]:<14} {_condition_line(numbers)}")
        for search in explanation.searches:
            click.echo(
                f"    {'searches':<14} '{search.prompt}' by {search.method}, answered by "
                f"'{search.model}', at most {search.calls:,} calls; a gain is a pull request"
            )
        for past in explanation.history[:3]:
            outcome = f"; {past.message}" if past.message else ""
            line = f"{past.decided_at:%Y-%m-%d %H:%M} UTC  {past.state}: {past.reason}{outcome}"
            click.echo(f"    {line}")


@command.command(epilog=examples_epilog("tidemill trigger backtest retrain --days 30"))
@click.argument("name")
@click.option("--days", default=30.0, show_default=True, help="How far back.")
@json_option
@pass_settings
def backtest(settings: Settings, name: str, days: float, as_json: bool) -> None:
    """Replay the ledger's feedback through a trigger as its spec says now."""
    from tidemill.adapters.clock import SystemClock
    from tidemill.adapters.ledger import Ledger
    from tidemill.engine.trigger import backtest as replay

    _, trigger, stream = _triggers(settings, name)[0]
    if stream is None:
        raise TidemillError(f"'{name}' has no stream (`of`); there is nothing to replay")
    now = SystemClock().now()
    start = now - timedelta(days=days)
    ledger = Ledger.open(settings.ledger_url)
    signals = [s for s in ledger.feedback.signals(stream.topic) if s.arrived >= start]
    begun = min([s.arrived for s in signals], default=start)
    share = stream.max_weight_per_subject
    answers = ledger.service_metrics.answers(stream.service, start)
    firings = replay(trigger, signals, start=begun, end=now, share=share, answers=answers)
    if as_json:
        print_json({"trigger": name, "feedback": len(signals), "firings": firings})
        return
    click.echo(f"{len(signals)} feedback events, {len(firings)} firings")
    for firing in firings:
        click.echo(f"  {firing.fired_at:%Y-%m-%d %H:%M} UTC  {firing.signals:>6}  {firing.reason}")


def _triggers(settings: Settings, name: str | None) -> list[tuple[str, Trigger, Feedback | None]]:
    from tidemill.home import Home

    home = Home(settings)
    if name is not None:
        project, trigger_name = home.find_spec(name)
        chosen = [(project, trigger_name)]
    else:
        chosen = [
            (project.name, loaded.spec.name)
            for project in home.workspace.projects.values()
            for loaded in project.specs.values()
            if isinstance(loaded.spec, Trigger)
        ]
    triggers = []
    for project_name, spec_name in chosen:
        specs = home.project(project_name).specs
        spec = specs[spec_name].spec
        if not isinstance(spec, Trigger):
            fit = [
                name for name, loaded in sorted(specs.items()) if isinstance(loaded.spec, Trigger)
            ]
            way_out = f"name one of {', '.join(fit)}" if fit else f"{project_name} has none"
            raise TidemillError(f"'{spec_name}' is a {spec.kind}, not a Trigger; {way_out}")
        stream = specs[spec.of].spec if spec.of else None
        assert stream is None or isinstance(stream, Feedback)
        triggers.append((project_name, spec, stream))
    if not triggers:
        raise TidemillError(f"{settings.specs} has no Trigger spec; add one")
    return triggers


def _explain(settings: Settings, project: str, trigger: Trigger) -> _Explanation:
    from tidemill.control.trigger_evaluation import explain as verdict_now
    from tidemill.home import Home

    home = Home(settings)
    verdict = verdict_now(home, home.project(project), trigger, home.clock.now())
    past = home.ledger.trigger_decisions.history(project, trigger.name, limit=10)
    searches = _searches(home.project(project), trigger)
    key = f"{project}/{trigger.name}"
    return _Explanation(key, verdict, tuple(past), trigger.run, tuple(searches))


def _searches(project: Project, trigger: Trigger) -> Iterator[_Search]:
    from tidemill.spec.prompt import Prompt
    from tidemill.spec.searches import search_models, searched_prompts

    specs = {name: loaded.spec for name, loaded in project.specs.items()}
    for name in searched_prompts(project, trigger.run):
        prompt = project.spec(name, Prompt)
        search = prompt.optimise
        assert search is not None
        yield _Search(name, search.method, search_models(specs, prompt)[0], search.calls)


def _condition_line(numbers: Mapping[str, object]) -> str:
    """Whether a condition holds, and its figures."""
    figures = [f"{k.replace('_', ' ')} {_short(v)}" for k, v in numbers.items() if k != "holds"]
    return ", ".join(["holds" if numbers.get("holds") else "does not hold", *figures])


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
