"""Digest of a folder: the same files give the same digest in any order, on any machine."""

from __future__ import annotations

import hashlib
import json
import pickletools
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tidemill.errors import UnsafeFormat

PREFIX = "sha256:"
_PICKLE_ENDINGS = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"}
_HEAD = 4096
_SURE = 6  # opcodes in a row that only a pickle has by design; raw weights fail within one or two


@dataclass(frozen=True, order=True)
class FileEntry:
    """Path, size and hash of one file in a folder."""

    path: str
    """Relative to the folder, with forward slashes."""
    sha256: str
    size: int


def files(folder: Path) -> list[str]:
    """Relative paths of all files below a folder, sorted."""
    paths = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def entry(folder: Path, path: str) -> FileEntry:
    """Reads and hashes one file."""
    file = folder / path
    return FileEntry(path, hash_file(file), file.stat().st_size)


def scan(folder: Path) -> tuple[FileEntry, ...]:
    """Every file of a folder, hashed."""
    return tuple(entry(folder, path) for path in files(folder))


def digest(entries: Iterable[FileEntry]) -> str:
    """`sha256:` and 64 hex digits over the sorted (path, sha256, size) of the files."""
    total = hashlib.sha256()
    for item in sorted(entries):
        total.update(json.dumps([item.path, item.sha256, item.size]).encode() + b"\n")
    return PREFIX + total.hexdigest()


def digest_of(folder: Path) -> str:
    """The digest of a folder, read from its bytes."""
    return digest(scan(folder))


def refuse_pickles(folder: Path) -> None:
    """Raise UnsafeFormat for a file that is a pickle by its name or by its first bytes."""
    for path in files(folder):
        file = folder / path
        if file.suffix.lower() in _PICKLE_ENDINGS:
            raise UnsafeFormat(_refusal(file, f"'{file.suffix}' files hold pickles"))
        if _is_pickle(file):
            raise UnsafeFormat(_refusal(file, "its bytes are a pickle"))


def _refusal(path: Path, reason: str) -> str:
    return f"{path}: {reason}, which run code when they are read; save it as safetensors or ONNX"


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
    if head[:2] == b"PK":
        return _zip_of_pickles(path)
    if len(head) < 2 or head[0] != 0x80 or head[1] > 5:
        return False
    return head[8:9] != b"{" and _starts_like_a_pickle(head)  # safetensors: 8-byte length, JSON


def _zip_of_pickles(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith((".pkl", ".pickle")) for name in archive.namelist())


def _starts_like_a_pickle(head: bytes) -> bool:
    """Raw weights may begin with 0x80 0x02 by chance, but do not go on as opcodes."""
    count = 0
    try:
        for opcode, _, _ in pickletools.genops(head):
            count += 1
            if opcode.name == "STOP" or count >= _SURE:
                return True
    except Exception:  # noqa: BLE001 - pickletools raises what the bytes make it raise
        return False
    return True
