"""The ingredients of a release with the licences that its specs name."""

from __future__ import annotations

from tidemill.engine.licence import UNKNOWN, LicenceChain, LicensedInput, licence_chain
from tidemill.engine.release_record import BaseModel
from tidemill.report.release_facts import DatasetFacts, ReleaseFacts, SpecValues

LABEL = "licence"
"""Label of a Dataset, a Rollout or another spec that states a licence (SPDX)."""


def release_chain(story: ReleaseFacts) -> LicenceChain:
    """Base models and the dataset, and what the Rollout's label `licence` states."""
    models = [
        LicensedInput("base model", base.name, model_licence(story, base))
        for base in story.release.bases
    ]
    data = LicensedInput("dataset", story.data.name, dataset_licence(story.data))
    return licence_chain([*models, data], licence_label(story.specs.get(story.release.rollout, {})))


def model_licence(story: ReleaseFacts, base: BaseModel) -> str:
    """As the Model spec has it, else as the artefact was made with."""
    spec = story.specs.get(base.name, {})
    artefact = story.release.artefacts.get(base.name)
    meta = artefact.meta if artefact else {}
    return str(spec.get("licence") or meta.get("licence") or UNKNOWN)


def dataset_licence(data: DatasetFacts) -> str:
    """What the Dataset's label `licence` states."""
    return licence_label(data.spec) or UNKNOWN


def licence_label(spec: SpecValues) -> str:
    """The label, in either spelling."""
    labels = spec.get("labels") or {}
    return str(labels.get(LABEL) or labels.get("license") or "")
