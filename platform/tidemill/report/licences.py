"""The ingredients of a release with the licences that its specs name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.engine.licence import UNKNOWN, Chain, Ingredient, chain
from tidemill.engine.release_record import BaseModel
from tidemill.report.release_facts import DatasetStory, Story

LABEL = "licence"
"""Label of a Dataset, a Rollout or another spec that states a licence (SPDX)."""


def release_chain(story: Story) -> Chain:
    """Base models and the dataset, and what the Rollout's label `licence` states."""
    models = [
        Ingredient("base model", base.name, model_licence(story, base))
        for base in story.release.bases
    ]
    data = Ingredient("dataset", story.data.name, dataset_licence(story.data))
    return chain([*models, data], licence_label(story.specs.get(story.release.rollout, {})))


def model_licence(story: Story, base: BaseModel) -> str:
    """As the Model spec has it, else as the artefact was made with."""
    spec = story.specs.get(base.name, {})
    artefact = story.release.artefacts.get(base.name)
    meta = artefact.meta if artefact else {}
    return str(spec.get("licence") or meta.get("licence") or UNKNOWN)


def dataset_licence(data: DatasetStory) -> str:
    """What the Dataset's label `licence` states."""
    return licence_label(data.spec) or UNKNOWN


def licence_label(spec: Mapping[str, Any]) -> str:
    """The label, in either spelling."""
    labels = spec.get("labels") or {}
    return str(labels.get(LABEL) or labels.get("license") or "")
