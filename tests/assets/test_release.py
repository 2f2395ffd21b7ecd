"""A release in Dagster: the rollout's materialisation shows what came out, as its card."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg

from tidemill.adapters.home import Home
from tidemill_assets.steering import release


def test_the_rollout_shows_the_card_of_the_release_it_asks_for(
    home: Home, tiny_encoder: Path
) -> None:
    weights = home.settings.specs / "desk" / "weights"
    shutil.rmtree(weights)
    shutil.copytree(tiny_encoder, weights)
    line = home.line("desk")
    for name in ("rows", "encoder", "tune", "quality"):
        line.make(name)

    shown = release(home, line, "release", dg.build_asset_context())
    card = shown.metadata["card"]
    (record,) = home.ledger.assets.releases("desk")
    assert isinstance(card, dg.MarkdownMetadataValue)
    assert card.value is not None
    assert card.value.startswith(f"# desk, release {record['digest'][7:19]}")
    assert "| accuracy | all |" in card.value
