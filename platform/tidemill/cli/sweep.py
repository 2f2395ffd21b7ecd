"""Search better hyperparameters by training; held-out rows decide, people merge.

FINETUNE is a FineTune with a `sweep` block. Each trial is a real training; half of the validation
rows rank them, the other half decides between the best and the present setting.
"""

from __future__ import annotations

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings


@click.command(
    epilog=examples_epilog(
        "tidemill sweep support-chat/reply-lora --trials 4", "tidemill sweep summary-lora --open-pr"
    )
)
@click.argument("finetune")
@click.option("--open-pr", is_flag=True, help="Open a pull request if there is a gain.")
@click.option("--trials", type=click.IntRange(min=1), help="Hard limit of trials.")
@click.option("--seed", default=0, show_default=True, help="Random seed.")
@json_option
@pass_settings
def command(
    settings: Settings,
    finetune: str,
    open_pr: bool,
    trials: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Search better hyperparameters by training; held-out rows decide, people merge.

    Without --open-pr nothing is written: the table and the diff are printed. Exit code 2 where a
    gain was found, 0 where none was. `budget.hours` limits the sweep as a whole.
    """
    from tidemill.adapters.answer_cache import SearchMemory
    from tidemill.adapters.store import DvcStore
    from tidemill.cli import _search
    from tidemill.control.pull_requests import pull_requests
    from tidemill.control.search_proposals import command_line, stale_specs
    from tidemill.home import Home
    from tidemill.pipeline import sweep_proposal
    from tidemill.pipeline.sweep import sweep
    from tidemill.spec.finetune import FineTune
    from tidemill.terminal.progress import terminal_progress

    home = Home(settings)
    desk = pull_requests(home) if open_pr else None
    builder, spec = _search.find_searchable(
        home, finetune, FineTune, "sweep", "a metric and a space"
    )
    project, name = builder.project.name, spec.name
    folder, loaded = builder.project.folder, builder.project.specs[name]
    if desk is not None:
        desk.clean(folder)
    search = spec.sweep.model_copy(update={"trials": trials}) if trials else spec.sweep
    with terminal_progress() as say:
        swept = sweep(
            spec,
            search,
            {up: home.store.get(builder.current(up).artefact) for up in builder.upstream(name)},
            builder.build_context(name, "sweep", say),
            DvcStore(settings.home / "search" / "trials"),
            SearchMemory.of_home(settings.home),
            seed=seed,
        )
    changed = sweep_proposal.changed_files(swept, loaded) if swept.has_proposal else {}
    again = command_line("sweep", f"{project}/{name}", trials=trials, seed=seed)
    stale = [name, *stale_specs(builder, name)]
    report = sweep_proposal.sweep_report(swept, search, project, loaded, changed, again, stale)
    branch = f"tidemill/sweep/{project}/{name}"
    _search.show_outcome(home, report, changed, branch, folder, desk, as_json)
