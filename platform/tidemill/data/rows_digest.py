"""The digest of a dataset's rows: what is trained and tested on, without how it came together.

Offsets, quarantine and origins stay out of it: two builds with the same rows have the same digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tidemill.content import PREFIX
from tidemill.data import SPLITS
from tidemill.data.catalogue import FILE
from tidemill.errors import MissingExtra
from tidemill.rows import DatasetRow


def rows_digest(splits: Mapping[str, Iterable[DatasetRow]], catalogue: bytes = b"") -> str:
    """`sha256:` and 64 hex digits over each row's split, id and weight, in any order; the id of a
    row covers its other columns. The catalogue of a ranking dataset counts as well."""
    content = hashlib.sha256(catalogue)
    for split in SPLITS:
        for row in sorted(f"{row['id']} {row['weight']:.6g}" for row in splits.get(split, ())):
            content.update(f"{split} {row}\n".encode())
    return PREFIX + content.hexdigest()


def read_rows_digest(folder: Path) -> str:
    """The same of a dataset artefact; raises MissingExtra without pyarrow."""
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("pyarrow", "data") from error
    paths = {split: folder / f"{split}.parquet" for split in SPLITS}
    columns, catalogue = ["id", "weight"], folder / FILE
    return rows_digest(
        {
            split: pq.read_table(path, columns=columns).to_pylist()
            for split, path in paths.items()
            if path.exists()
        },
        catalogue.read_bytes() if catalogue.exists() else b"",
    )
