"""The search of a prompt that a trigger runs, as an asset below everything that it reads.

It belongs to no spec of its own: nothing is built from it, and a run of its project that no trigger
asked for leaves it out.
"""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` itself.
from collections.abc import Sequence

import dagster as dg

from tidemill.control.build_events import BuildEvents
from tidemill.control.triggered_search import SearchOutcome, search_and_propose
from tidemill.engine.staleness import BUILDABLE_KINDS
from tidemill.home import Home
from tidemill.spec.load import Project
from tidemill.spec.searches import ENDING, search_inputs, triggered_prompts
from tidemill_assets.display import progress
from tidemill_assets.runs import OUTCOME, group, key, search_key


def search_assets(
    home: Home, project: Project, prefix: Sequence[str] = ()
) -> list[dg.AssetsDefinition]:
    """One for each prompt that a trigger of the project runs; `prefix` as in the others' keys."""
    return [search_asset(home, project, name, prefix) for name in triggered_prompts(project)]


def search_asset(
    home: Home, project: Project, name: str, prefix: Sequence[str] = ()
) -> dg.AssetsDefinition:
    """The search of one prompt."""
    inputs = search_inputs(project, name)
    built = [item for item in inputs if project.specs[item].spec.kind in BUILDABLE_KINDS]

    @dg.asset(
        key=search_key(project.name, name, prefix),
        deps=[key(project.name, item, prefix) for item in built],
        group_name=group(project.name),
        kinds={"prompt", "search"},
        description=f"Searches a better prompt than '{name}'; a gain becomes a pull request.",
        pool="weights",
    )
    # Dagster takes no generic here: it would read it as several outputs.
    def search(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        run = context.run.run_id
        log = f"{context.instance.storage_directory()}/{run}"
        again = f"tidemill optimise {project.name}/{name}"
        events = BuildEvents(home, project.name, project.specs[name].spec, run, log, again)
        with events.failures(), home.lock_asset(project.name, f"{name}{ENDING}", run):
            outcome = search_and_propose(home, home.builder(project.name), name, progress(context))
        return search_result(name, outcome)

    return search


def search_result(name: str, outcome: SearchOutcome) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """What Dagster shows of a search."""
    report = {"report": dg.MetadataValue.md(f"```text\n{outcome.report}\n```")}
    return dg.MaterializeResult(
        metadata={
            OUTCOME: f"'{name}': {outcome.message}",
            "searched": outcome.searched,
            **(report if outcome.report else {}),
        }
    )
