"""Reading rows: every format, every way a file can be wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dvc.repo import Repo

from tidemill.data.sources import read, read_file, resolve_pointer
from tidemill.errors import DataError
from tidemill.spec.dataset import FileSource, HubDatasetSource


def test_jsonl_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "hi, you", "label": "x"}\n\n')
    (tmp_path / "a.csv").write_text('text,label\n"hi, you",x\n')
    pq.write_table(pa.table({"text": ["hi, you"], "label": ["x"]}), tmp_path / "a.parquet")

    for name in ("a.jsonl", "a.csv", "a.parquet"):
        rows, bad = read(FileSource(type="file", path=name, split="test"), tmp_path)
        assert bad == []
        assert rows == [
            {
                "text": "hi, you",
                "label": "x",
                "__origin": f"{name}:{2 if name == 'a.csv' else 1}",
                "__source": name,
                "__split": "test",
                "__feedback": False,
            }
        ]


def test_a_bad_line_is_kept_out_by_file_and_line_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{broken\n[1]\n{"text": "b"}\n')
    (tmp_path / "a.csv").write_text('text,label\na,x\nonly\n"two\nlines",y\nb,y,z\n')
    rows, bad = read_file(tmp_path / "a.jsonl", name="a.jsonl")
    cells, wrong = read_file(tmp_path / "a.csv", name="a.csv")

    assert [row["text"] for row in rows] == ["a", "b"]
    assert [reason.split(" (")[0] for _, reason in bad] == [
        "unreadable: a.jsonl:2: not JSON",
        "unreadable: a.jsonl:3: not a JSON object",
    ]
    assert [row["text"] for row in cells] == ["a", "two\nlines"]
    assert [reason for _, reason in wrong] == [
        "unreadable: a.csv:3: 1 cells, the header has 2",
        "unreadable: a.csv:6: 3 cells, the header has 2",
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"", r"a\.txt: rows come from \.jsonl, \.csv or \.parquet files, not '\.txt'"),
        ("a.csv", b"", r"a\.csv:1: an empty file"),
        ("a.jsonl", b'{"text": "\xff"}', r"a\.jsonl: not UTF-8"),
        ("a.csv", b"text,text\n", r"a\.csv:1: two columns are called 'text'"),
        ("a.parquet", b"nothing", r"a\.parquet: not a Parquet file"),
        ("gone.csv", None, r"gone\.csv: no such file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)

    with pytest.raises(DataError, match=message):
        read(FileSource(type="file", path=name), tmp_path)


@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # pygtrie under `dvc add`
def test_a_dvc_pointer_leads_to_the_file_or_to_the_cache_or_says_to_pull(tmp_path: Path) -> None:
    repo = Repo.init(str(tmp_path), no_scm=True)
    data = tmp_path / "rows.jsonl"
    data.write_text('{"text": "a"}\n')
    repo.add(str(data))
    pointer = tmp_path / "rows.jsonl.dvc"

    assert resolve_pointer(pointer) == data

    data.chmod(0o644)
    data.unlink()
    assert resolve_pointer(pointer).read_text() == '{"text": "a"}\n'
    data.write_text("changed")
    with pytest.raises(DataError, match="`dvc checkout"):
        resolve_pointer(pointer)
    data.unlink()
    shutil.rmtree(tmp_path / ".dvc" / "cache")
    with pytest.raises(DataError, match=r"`dvc pull rows\.jsonl\.dvc` fetches them"):
        resolve_pointer(pointer)
    pointer.write_text("no: pointer")
    with pytest.raises(DataError, match="not a DVC pointer"):
        resolve_pointer(pointer)


def test_a_hub_source_without_a_network_says_so(tmp_path: Path) -> None:
    source = HubDatasetSource(type="hub", repo="a/b", revision="0" * 40, path="c.jsonl")

    with pytest.raises(DataError, match=r"a/b@000000000000/c\.jsonl cannot be fetched"):
        read(source, tmp_path)
