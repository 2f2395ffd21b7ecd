"""Reading rows from files: JSONL, CSV and Parquet, here, in DVC, or on the hub."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tidemill import machine
from tidemill.data.rows import FEEDBACK, ORIGIN, SOURCE, SPLIT, Dropped
from tidemill.errors import DataError, MissingExtra
from tidemill.rows import MutableRow
from tidemill.spec.dataset import DvcSource, FileSource, HubDatasetSource

Read = tuple[list[MutableRow], Dropped]


def read(source: FileSource | DvcSource | HubDatasetSource, project: Path) -> Read:
    """Rows of one source, and lines that are none with the reason; raises DataError for a file
    that cannot be read at all."""
    if isinstance(source, HubDatasetSource):
        path, name = _from_hub(source), f"{source.repo}/{source.path}"
    elif isinstance(source, DvcSource):
        path, name = resolve_pointer(project / source.path), source.path
    else:
        path, name = project / source.path, source.path
    rows, bad = read_file(path, name=name)
    for row in rows:
        row.update({SPLIT: source.split, SOURCE: name, FEEDBACK: False})
    return rows, bad


def read_file(path: Path, *, name: str | None = None) -> Read:
    """Rows of a file; `name` is what messages call it, and its ending picks the format."""
    label = name or str(path)
    ending = Path(label.removesuffix(".dvc")).suffix.lower()
    readers: dict[str, Callable[[Path, str], Read]] = {
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
        ".csv": _csv,
        ".parquet": _parquet,
    }
    if ending not in readers:
        raise DataError(f"{label}: rows come from .jsonl, .csv or .parquet files, not '{ending}'")
    if not path.is_file():
        raise DataError(f"{label}: no such file; paths are relative to the project's folder")
    try:
        return readers[ending](path, label)
    except UnicodeDecodeError as error:
        raise DataError(f"{label}: not UTF-8 (byte {error.start}); convert it first") from error
    except OSError as error:
        raise DataError(f"{label}: {error.strerror or error}") from error


def _jsonl(path: Path, shown: str) -> Read:
    rows: list[MutableRow] = []
    bad: Dropped = []
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            location = f"{shown}:{number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                bad.append(_bad(location, shown, f"not JSON ({error})", line))
                continue
            if isinstance(row, dict):
                rows.append({**row, ORIGIN: location})
            else:
                bad.append(_bad(location, shown, "not a JSON object", line))
    return rows, bad


def _csv(path: Path, shown: str) -> Read:
    rows: list[MutableRow] = []
    bad: Dropped = []
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        try:
            header = next(reader, [])
            twice = [name for name in header if header.count(name) > 1]
            if twice:
                raise DataError(f"{shown}:1: two columns are called '{twice[0]}'; rename one")
            for number, cells in _number_records(reader):
                location = f"{shown}:{number}"
                if len(cells) == len(header):
                    rows.append({**dict(zip(header, cells, strict=True)), ORIGIN: location})
                elif cells:
                    reason = f"{len(cells)} cells, the header has {len(header)}"
                    bad.append(_bad(location, shown, reason, ",".join(cells)))
        except csv.Error as error:
            raise DataError(f"{shown}:{reader.line_num}: not CSV ({error})") from error
    if not header:
        raise DataError(f"{shown}:1: an empty file; the first line names the columns")
    return rows, bad


def _number_records(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it starts on; a quoted cell may span lines."""
    start = reader.line_num + 1
    for cells in reader:
        yield start, cells
        start = reader.line_num + 1


def _parquet(path: Path, shown: str) -> Read:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "data") from error
    try:
        rows = pq.read_table(path).to_pylist()
    except pa.ArrowInvalid as error:
        raise DataError(f"{shown}: not a Parquet file ({error})") from error
    return [{**row, ORIGIN: f"{shown}:{i}"} for i, row in enumerate(rows, start=1)], []


def _bad(where: str, shown: str, why: str, line: str) -> tuple[MutableRow, str]:
    row = {"line": line.strip()[:2000], ORIGIN: where, SOURCE: shown}
    return row, f"unreadable: {where}: {why}"


def resolve_pointer(pointer: Path) -> Path:
    """The file a `.dvc` pointer names: beside it, or in the DVC repository's cache."""
    expected, beside = _parse_pointer(pointer)
    if beside.is_file():
        if _md5(beside) == expected:
            return beside
        raise DataError(
            f"{beside}: not the bytes {pointer.name} names; `dvc checkout {pointer.name}` brings "
            f"those back, `dvc add {beside.name}` takes these"
        )
    cached = _in_cache(pointer, expected)
    if cached is not None and _md5(cached) == expected:
        return cached
    raise DataError(
        f"{pointer}: its bytes ({expected}) are neither beside it nor in DVC's cache; "
        f"`dvc pull {pointer.name}` fetches them"
    )


def _parse_pointer(pointer: Path) -> tuple[str, Path]:
    try:
        out = yaml.safe_load(pointer.read_text())["outs"][0]
        return str(out["md5"]), pointer.parent / str(out["path"])
    except OSError as error:
        raise DataError(f"{pointer}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{pointer}: not a DVC pointer; `dvc add FILE` writes one") from error


def _in_cache(pointer: Path, md5: str) -> Path | None:
    roots = [folder for folder in pointer.resolve().parents if (folder / ".dvc").is_dir()]
    if not roots:
        return None
    try:
        machine.quiet_dvc()
        from dvc.repo import Repo
    except ImportError as error:
        raise MissingExtra("dvc", "data") from error
    path = Path(Repo(str(roots[0])).cache.local.oid_to_path(md5))
    return path if path.is_file() else None


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _from_hub(source: HubDatasetSource) -> Path:
    location = f"{source.repo}@{source.revision[:12]}/{source.path}"
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "train") from error
    try:
        path = hf_hub_download(
            source.repo, source.path, repo_type="dataset", revision=source.revision
        )
    except Exception as error:  # whatever its transport raises
        raise DataError(
            f"{location} cannot be fetched from the hub ({type(error).__name__}); without a "
            "network put the file into the project and use `type: file`, or keep it in DVC"
        ) from error
    return Path(path)
