"""The keys of a card's metadata, in the vocabulary of the Hugging Face hub."""

from __future__ import annotations

from typing import TypedDict


class IndexedMetric(TypedDict):
    """One measure of `model-index`."""

    type: str
    value: float
    name: str


class _IndexedDataset(TypedDict):
    name: str
    type: str
    split: str
    revision: str


class IndexedDataset(_IndexedDataset, total=False):
    """The rows that a model was measured on; `config` names a slice of them."""

    config: str


class IndexedResult(TypedDict):
    """Measures over the same rows."""

    task: dict[str, str]
    dataset: IndexedDataset
    metrics: list[IndexedMetric]


class IndexedModel(TypedDict):
    """One entry of `model-index`."""

    name: str
    results: list[IndexedResult]


class DataFile(TypedDict):
    """The file of one split."""

    split: str
    path: str


class DataConfig(TypedDict):
    """One entry of `configs`."""

    config_name: str
    data_files: list[DataFile]


_ModelIndex = TypedDict("_ModelIndex", {"model-index": list[IndexedModel]}, total=False)


class HubMetadata(_ModelIndex, total=False):
    """The keys of a model card and of a dataset card; None and empty ones are left out."""

    license: str
    license_name: str
    pretty_name: str
    language: list[str]
    base_model: list[str] | None
    base_model_relation: str | None
    datasets: list[str]
    pipeline_tag: str | None
    library_name: str | None
    size_categories: list[str] | None
    task_categories: list[str] | None
    tags: list[str]
    configs: list[DataConfig]
