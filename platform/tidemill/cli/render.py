"""Print specs with every default filled in, as the platform reads them."""

from __future__ import annotations

import click

from tidemill.errors import AmbiguousName, UnknownName
from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json


@click.command(
    epilog=examples_epilog(
        "tidemill render support-chat/reply-int8",
        "tidemill render reply-int8 --docs",
        "tidemill render reply-int8 --json",
    )
)
@click.argument("names", nargs=-1, required=True)
@click.option("--docs", is_flag=True, help="Write what each field means above it.")
@json_option
@pass_settings
def command(settings: Settings, names: tuple[str, ...], docs: bool, as_json: bool) -> None:
    """Print specs with every default filled in, as the platform reads them.

    A NAME is project/spec, a spec's name where only one project has it, or a whole project.
    """
    from tidemill.spec.digest import with_defaults
    from tidemill.spec.load import load
    from tidemill.spec.render import render_documented

    workspace = load(settings.specs).require_specs()
    by_name = {
        f"{project.name}/{name}": loaded.spec
        for project in workspace.projects.values()
        for name, loaded in project.specs.items()
    }
    full_names = [full for name in names for full in _matches(name, tuple(by_name))]
    specs = [by_name[full] for full in dict.fromkeys(full_names)]
    if as_json:
        print_json([with_defaults(spec) for spec in specs])
        return
    texts = (render_documented(spec) if docs else _yaml(with_defaults(spec)) for spec in specs)
    click.echo("---\n".join(texts), nl=False)


def _matches(name: str, names: tuple[str, ...]) -> list[str]:
    if name in names:
        return [name]
    project = [full for full in names if full.startswith(f"{name}/")]
    matches = project or [full for full in names if full.endswith(f"/{name}")]
    if not matches:
        raise UnknownName("spec", name, (*names, *(k.split("/")[1] for k in names)))
    if len(matches) > 1 and not project:
        raise AmbiguousName("spec", name, matches)
    return matches


def _yaml(values: dict[str, object]) -> str:
    import yaml

    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)
    return text
