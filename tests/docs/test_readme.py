"""Every block of the README works as it stands, and every command in it exists."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import dagster as dg
import pytest
from tests.docs.blocks import ROOT, Block, blocks

from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.adapters.local.processes import free_port
from tidemill.cli import commands
from tidemill.terminal.shell import run

BLOCKS = blocks(ROOT / "README.md")
SPECS = [block for block in BLOCKS if block.text.startswith("# specs/")]


def of(info: str) -> list[Block]:
    return [block for block in BLOCKS if block.info == info]


def starting(text: str) -> Block:
    (found,) = [block for block in BLOCKS if block.text.startswith(text)]
    return found


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the specs with those of the README in them, as the working directory."""
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    for block in SPECS:
        path = tmp_path / block.text.splitlines()[0].removeprefix("# ")
        assert path.exists()
        path.write_text(block.text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDEMILL_SPECS", raising=False)
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)
    return tmp_path


def test_these_are_the_blocks_and_one_of_them_is_abridged() -> None:
    assert [block.info for block in BLOCKS] == [
        "console", "yaml", "yaml", "console", "console abridged", "python", "yaml",
    ]  # fmt: skip


def test_the_specs_are_valid_beside_the_others_of_their_project(tree: Path) -> None:
    assert len(SPECS) == 2
    assert run(commands, ["validate"]) == 0


def test_a_mistake_is_told_as_the_readme_shows(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, told = starting("$ tidemill validate\n").text.split("\n", 1)
    place = re.match(r"(\S+):(\d+): '(of: \S+)'", told)
    assert place
    path, number, mistake = tree / place[1], int(place[2]), place[3]
    lines = path.read_text().splitlines()
    lines[number - 1] = mistake
    path.write_text("\n".join(lines) + "\n")

    assert run(commands, command.split()[2:]) == 1
    assert capsys.readouterr().err == told


def test_every_make_target_and_every_verb_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    console = [command for block in of("console") for command in block.commands]
    targets = [command.split()[1] for command in console if command.startswith("make ")]
    table = (ROOT / "README.md").read_text().partition("## Commands")[2].partition("Checks for")[0]
    verbs = {
        verb
        for line in table.splitlines()[3:]
        for verb in re.findall(r"`(\w+)", line.split("|")[1] if "|" in line else "")
    }

    assert [target for target in targets if f"\n{target}: " not in makefile] == []
    assert targets
    assert verbs == set(commands.list_commands(None))  # type: ignore[arg-type]


def test_the_abridged_answer_to_why_names_a_command_that_is_there() -> None:
    (block,) = of("console abridged")
    (command,) = block.commands

    assert run(commands, [*command.split()[1:-1], "--help"]) == 0


def test_three_lines_send_a_correction() -> None:
    (block,) = of("python")
    with EmbeddedBroker(free_port()) as broker:
        text = block.text.replace("127.0.0.1:8602", broker.address)
        assert text != block.text
        exec(compile(text, "README.md", "exec"), {"response_id": "r1", "user_id": "ann"})

        bus = KafkaBus(broker.address)
        topic = "support-chat.feedback"
        start = {(topic, partition): 0 for partition in bus.partitions(topic)}
        (message,) = bus.read(start, limit=9, timeout=20)
        bus.close()
    assert b"gift_card" in message.value


def test_the_component_adds_the_project_to_a_code_location(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = starting("# defs/learning/defs.yaml")
    package = tmp_path / "src" / "readme_pipelines"
    path = package / block.text.splitlines()[0].removeprefix("# ")
    path.parent.mkdir(parents=True)
    path.write_text(block.text)
    (package / "__init__.py").touch()
    (package / "defs" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n'
        '[tool.dg.project]\nroot_module = "readme_pipelines"\n'
    )
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    monkeypatch.syspath_prepend(tmp_path / "src")
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)

    loaded = dg.load_from_defs_folder(path_within_project=tmp_path)

    keys = {key.path[0] for key in loaded.get_repository_def().asset_graph.get_all_asset_keys()}
    for name in [name for name in sys.modules if name.startswith("readme_pipelines")]:
        del sys.modules[name]
    assert keys == {"ml"}
