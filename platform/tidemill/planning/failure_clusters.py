"""Clusters the failures of a service by the meaning of what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.data.text_clusters import group_vectors, word_vectors
from tidemill.engine.failure_cluster import FailureCluster, build_clusters
from tidemill.errors import ArtefactError, MissingExtra, UnknownName
from tidemill.form import ModelForm
from tidemill.home import Home
from tidemill.planning.service_failures import ServiceFailures, ServiceSpecs
from tidemill.spec.model import Model
from tidemill.spec.neighbours import specs_of_kind

BY_WORDS = "their words (TF-IDF)"


@dataclass(frozen=True)
class FailureClusters:
    """The failures of a service in groups of the same meaning."""

    source: ServiceFailures
    clusters: tuple[FailureCluster, ...]
    """The largest first, those that fit nowhere last."""
    compared_by: str
    """The encoder, or `BY_WORDS`."""

    def find(self, number: int) -> FailureCluster:
        """A cluster by its number, 0 for what fits nowhere; raises UnknownName."""
        for cluster in self.clusters:
            if cluster.number == number:
                return cluster
        numbers = [str(cluster.number) for cluster in self.clusters]
        raise UnknownName("cluster", str(number), numbers)


def cluster_failures(home: Home, source: ServiceFailures) -> FailureClusters:
    """Equal questions have one place; the project's encoder compares them where it is built."""
    questions = list(dict.fromkeys(failure.question for failure in source.failures))
    background = _background(source)
    vectors, compared_by = _vectors(home, source.specs, questions, background)
    index = {question: n for n, question in enumerate(questions)}
    rows = [index[failure.question] for failure in source.failures]
    labels = group_vectors(vectors[rows]) if rows else []
    clusters = build_clusters(source.failures, labels, source.weeks, background)
    return FailureClusters(source, clusters, compared_by)


def _background(source: ServiceFailures) -> list[str]:
    """What the dataset's rows ask: how people ask here when nothing goes wrong."""
    splits = source.current.preview.prepared.splits.values() if source.current else ()
    form = source.specs.form
    return [form.text(form.columns(row)) for rows in splits for row in rows]


def _vectors(
    home: Home, specs: ServiceSpecs, questions: list[str], background: list[str]
) -> tuple[Any, str]:
    """The vectors of questions, and what they come from."""
    for name in _encoder_names(specs):
        folder = _encoder_folder(home, specs.project.name, name)
        if folder is not None and questions:
            try:
                from tidemill.runtimes.sentence import Encoder
            except ImportError as error:
                raise MissingExtra(error.name or "torch", "train") from error
            return Encoder(folder).encode(questions), f"the encoder '{name}'"
    return word_vectors(questions, background), BY_WORDS


def _encoder_names(specs: ServiceSpecs) -> Iterator[str]:
    """The encoder of the dataset's `label_noise`, then the project's others."""
    if specs.dataset.label_noise is not None:
        yield specs.dataset.label_noise.encoder
    for model in specs_of_kind(specs.project, Model):
        if model.task == "sequence-classification":
            yield model.name


def _encoder_folder(home: Home, project: str, name: str) -> Path | None:
    try:
        folder = home.store.get(home.builder(project).current(name).artefact).path
        form = ModelForm.read(folder)
    except ArtefactError:
        return None
    return folder if form.task == "sequence-classification" and not form.labels else None
