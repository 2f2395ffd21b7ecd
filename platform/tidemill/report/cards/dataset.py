"""The card of a dataset."""

from __future__ import annotations

from tidemill.engine.licence import LicensedInput, licence_chain
from tidemill.report.balance import balance, sources
from tidemill.report.cards import metadata
from tidemill.report.cards.hub_metadata import DataConfig, DataFile, HubMetadata
from tidemill.report.licences import dataset_licence
from tidemill.report.release_facts import DatasetFacts
from tidemill.report.template import markdown

_TASKS = {
    "classification": "text-classification",
    "ranking": "text-ranking",
    "completion": "text-generation",
    "chat": "text-generation",
    "preference": "text-generation",
}


def card(data: DatasetFacts) -> str:
    """The README.md."""
    return metadata.block(metadata_values(data)) + "\n" + body(data)


def metadata_values(data: DatasetFacts) -> HubMetadata:
    """The metadata as plain values; what is not known is left out."""
    rows = data.rows
    task = _TASKS.get(str(data.spec.get("format", "")))
    spec = data.spec
    chain = licence_chain([LicensedInput("dataset", data.name, dataset_licence(data))])
    name: HubMetadata = {"pretty_name": f"{data.project}: {data.name}"}
    return (
        name
        | metadata.licence(chain)
        | {
            "language": metadata.languages(spec),
            "size_categories": [metadata.size_category(sum(rows.values()))] if rows else None,
            "task_categories": [task] if task else None,
            "tags": metadata.tags(["tidemill", *(["preference"] if _prefers(data) else [])]),
            "configs": _configs(rows),
        }
    )


def body(data: DatasetFacts) -> str:
    """Everything below the metadata."""
    shares, hidden = balance(data)
    return markdown(
        "dataset_card.md.j2",
        data=data,
        shares=shares,
        hidden=hidden,
        sources=sources(data),
        columns=list(data.summary.columns) if data.summary else [],
        licence=dataset_licence(data),
        cleaning=[str(step.get("type")) for step in data.spec.get("clean") or ()],
    )


def _configs(rows: dict[str, int]) -> list[DataConfig]:
    files: list[DataFile] = [
        {"split": name, "path": f"{name}.parquet"} for name, count in rows.items() if count
    ]
    return [{"config_name": "default", "data_files": files}] if files else []


def _prefers(data: DatasetFacts) -> bool:
    return data.spec.get("format") == "preference"
