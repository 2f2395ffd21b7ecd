"""Every recipe of CONTRIBUTING works as it stands: pasted into a copy, its commands are green."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.blocks import ROOT, Block, blocks, paste, run, scratch_copy

BLOCKS = blocks(ROOT / "CONTRIBUTING.md")
DIAGRAMS = [block for block in BLOCKS if block.info.endswith("diagram")]
RECIPES = list(dict.fromkeys(block.section for block in BLOCKS if block not in DIAGRAMS))
PASTED = {"python", "diff", "jinja"}


def of_recipe(section: str) -> list[Block]:
    return [block for block in BLOCKS if block.section == section]


def test_every_recipe_has_a_block_and_only_the_layers_are_drawn() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipes = text.partition("## Recipes")[2].partition("\n## ")[0]
    headings = [line.lstrip("# ") for line in recipes.splitlines() if line.startswith("### ")]

    assert headings == RECIPES
    assert len(DIAGRAMS) == 1


@pytest.mark.parametrize("section", RECIPES)
def test_a_recipe_names_the_file_of_each_block_and_ends_in_commands(section: str) -> None:
    *pasted, last = of_recipe(section)

    assert {block.info for block in pasted} <= PASTED
    assert all(block.file for block in pasted)
    assert last.info == "console"
    assert last.commands


@pytest.mark.slow
@pytest.mark.parametrize("section", RECIPES)
def test_a_recipe_is_green_as_it_stands(section: str, tmp_path: Path) -> None:
    tree = scratch_copy(tmp_path / "tidemill")
    *pasted, last = of_recipe(section)
    for block in pasted:
        paste(block, tree)

    for command in last.commands:
        done = run(command, tree)
        assert done.returncode == 0, f"$ {command}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"
