"""One suite for every store, and what only the DVC one can do."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dvc.repo import Repo
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import content
from tidemill.adapters.store import DvcStore, MemoryStore
from tidemill.adapters.store.content_store import ContentStore
from tidemill.errors import (
    ArtefactError,
    MissingArtefact,
    StorageError,
    TamperedArtefact,
    UnsafeFormat,
)


@pytest.fixture(params=["dvc", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ContentStore:
    return DvcStore(tmp_path / "store") if request.param == "dvc" else MemoryStore()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "made", **extra: bytes) -> Path:
        place = tmp_path / name
        (place / "sub").mkdir(parents=True)
        (place / "rows.txt").write_bytes(b"rows")
        (place / "sub" / "more.txt").write_bytes(b"more")
        for file, data in extra.items():
            (place / file.replace("__", ".")).write_bytes(data)
        return place

    return write


def test_what_was_put_comes_back_with_its_facts(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    put = store.put(folder(), kind="dataset", meta={"rows": 2, "loss": 1e-5})

    got = store.get(put.digest)
    assert got == put
    assert got.digest.startswith("sha256:")
    assert len(got.digest) == 71
    assert (got.kind, got.bytes, dict(got.meta)) == ("dataset", 8, {"rows": 2, "loss": 1e-5})
    assert (got.path / "sub" / "more.txt").read_text() == "more"


def test_the_folder_is_taken_not_copied_and_its_files_are_read_only(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    given = folder()
    inode = (given / "rows.txt").stat().st_ino
    put = store.put(given, kind="dataset")

    assert not given.exists()
    assert (put.path / "rows.txt").stat().st_mode & 0o777 == 0o444
    assert (put.path / "rows.txt").stat().st_ino == inode


def test_the_same_files_give_the_same_artefact_once(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    first = store.put(folder("a"), kind="dataset")
    second = store.put(folder("b"), kind="dataset")

    assert second == first
    assert len(store.records()) == 1


def test_a_changed_byte_is_refused_by_name_even_when_its_time_is_set_back(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    put = store.put(folder(), kind="model")
    store.get(put.digest)
    victim = put.path / "rows.txt"
    before = victim.stat()
    victim.chmod(0o644)
    victim.write_bytes(b"rowz")
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(TamperedArtefact, match=r"rows\.txt: does not match the digest"):
        store.get(put.digest)
    with pytest.raises(TamperedArtefact, match=r"rows\.txt"):
        store.verify(put.digest)


def test_a_file_that_is_gone_or_new_is_refused_by_name(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    put = store.put(folder(), kind="model")
    (put.path / "extra.py").write_text("print()")

    with pytest.raises(TamperedArtefact, match=r"extra\.py: was not put there"):
        store.get(put.digest)

    (put.path / "extra.py").unlink()
    (put.path / "rows.txt").unlink()
    with pytest.raises(TamperedArtefact, match=r"rows\.txt: is missing"):
        store.get(put.digest)


def test_putting_the_right_bytes_again_heals_a_tampered_artefact(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    put = store.put(folder(), kind="model")
    (put.path / "rows.txt").chmod(0o644)
    (put.path / "rows.txt").write_bytes(b"rowz")
    store.put(folder("again"), kind="model")
    shutil.rmtree(put.path) if isinstance(store, DvcStore) else None

    assert (store.verify(put.digest).path / "rows.txt").read_bytes() == b"rows"


def test_an_unknown_digest_is_missing_and_says_the_way_out(store: ContentStore) -> None:
    with pytest.raises(MissingArtefact, match=r"tidemill run.*dvc pull"):
        store.get("sha256:" + "0" * 64)


def test_what_was_dropped_is_gone_and_the_rest_stays(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    gone = store.put(folder("a", own__txt=b"a"), kind="dataset")
    kept = store.put(folder("b", own__txt=b"b"), kind="dataset")
    store.drop(gone.digest)
    store.drop(gone.digest)

    with pytest.raises(MissingArtefact):
        store.get(gone.digest)
    assert not gone.path.exists()
    assert store.verify(kept.digest) == kept


def _zipped_pickle(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([1]))
    return path.read_bytes()


@pytest.mark.parametrize("name", ["pytorch_model__bin", "a__pt", "b__pth", "c__PKL"])
def test_a_pickle_is_refused_by_its_name(
    store: ContentStore, folder: Callable[..., Path], name: str
) -> None:
    given = folder(**{name: b"anything"})

    with pytest.raises(UnsafeFormat, match="save it as safetensors or ONNX"):
        store.put(given, kind="model")
    assert store.records() == []


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_behind_a_harmless_name_is_refused_by_its_bytes(
    store: ContentStore, folder: Callable[..., Path], tmp_path: Path, protocol: int
) -> None:
    plain = pickle.dumps({"weights": list(range(50))}, protocol=protocol)

    with pytest.raises(UnsafeFormat, match=r"model\.safetensors: its bytes are a pickle"):
        store.put(folder("a", model__safetensors=plain), kind="model")
    with pytest.raises(UnsafeFormat, match="its bytes are a pickle"):
        store.put(folder("b", model__onnx=_zipped_pickle(tmp_path / "z")), kind="model")


def test_safetensors_whose_header_length_looks_like_a_pickle_is_taken(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    header = b'{"__metadata__":{"a":"' + b"x" * 615 + b'"}}'
    data = (0x0280).to_bytes(8, "little") + header.ljust(0x0280)
    raw = b"\x80\x02" + bytes(range(256)) * 20

    assert store.put(folder("a", model__safetensors=data), kind="model").bytes > 640
    assert store.put(folder("b", weights__onnx_data=raw), kind="onnx").bytes > 5000


def test_an_empty_folder_is_refused(store: ContentStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(ArtefactError, match="has no files"):
        store.put(tmp_path / "empty", kind="dataset")


def test_an_artefacts_own_folder_cannot_be_put_and_stays(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    put = store.put(folder(), kind="model")

    with pytest.raises(ArtefactError, match="belongs to the store"):
        store.put(put.path, kind="pruned")
    assert store.verify(put.digest) == put


def test_two_that_put_the_same_at_once_get_one_artefact(
    store: ContentStore, folder: Callable[..., Path]
) -> None:
    folders = [folder(f"made-{i}") for i in range(6)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda one: store.put(one, kind="model"), folders))

    assert len({one.digest for one in made}) == len(store.records()) == 1
    assert store.verify(made[0].digest) == made[0]


def test_a_symbolic_link_is_kept_as_the_bytes_it_pointed_to(
    store: ContentStore, folder: Callable[..., Path], tmp_path: Path
) -> None:
    given = folder()
    (tmp_path / "elsewhere").write_bytes(b"shared")
    (given / "link.txt").symlink_to(tmp_path / "elsewhere")
    put = store.put(given, kind="model")
    (tmp_path / "elsewhere").write_bytes(b"changed")

    assert (store.get(put.digest).path / "link.txt").read_bytes() == b"shared"
    assert not (put.path / "link.txt").is_symlink()


@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.binary(), min_size=1))
@settings(max_examples=30, deadline=None)
def test_a_digest_does_not_depend_on_the_order_of_files(files: dict[str, bytes]) -> None:
    entries = [
        content.FileEntry(path, content.PREFIX + data.hex(), len(data))
        for path, data in files.items()
    ]

    assert content.digest(entries) == content.digest(reversed(entries))


# What only DVC does.


def _dvc(where: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=where, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_push_and_pull_through_a_folder_remote_bring_the_same_bytes_back(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    store = DvcStore(tmp_path / "store")
    put = store.put(folder(), kind="dataset")
    with (store.root / ".dvc" / "config").open("a") as config:
        config.write(f"['remote \"r\"']\n    url = {tmp_path}/remote\n")
    _dvc(store.root, "push", "-r", "r")
    shutil.rmtree(store.root / ".dvc" / "cache")
    shutil.rmtree(put.path)

    with pytest.raises(MissingArtefact, match=r"dvc pull artefacts/dataset-"):
        DvcStore(store.root).get(put.digest)

    _dvc(store.root, "pull", "-r", "r")
    assert DvcStore(store.root).verify(put.digest) == put
    Repo.get(str(store.root), f"artefacts/{put.path.name}", out=str(tmp_path / "fetched"))
    assert content.digest_of(tmp_path / "fetched") == put.digest


def test_a_second_machine_with_the_pointer_pulls_the_same_artefact(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    here, there = DvcStore(tmp_path / "here"), DvcStore(tmp_path / "there")
    put = here.put(folder(), kind="dataset", meta={"rows": 3})
    for store in (here, there):
        with (store.root / ".dvc" / "config").open("a") as config:
            config.write(f"['remote \"r\"']\n    url = {tmp_path}/remote\n")
    Repo(str(here.root)).push(remote="r")
    shutil.copy(here.root / "artefacts" / f"{put.path.name}.dvc", there.artefacts)
    Repo(str(there.root)).pull(remote="r")

    got = there.get(put.digest)
    assert (got.digest, dict(got.meta)) == (put.digest, {"rows": 3})


def test_a_folder_that_is_gone_comes_back_from_the_cache(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    store = DvcStore(tmp_path / "store")
    put = store.put(folder(), kind="dataset")
    shutil.rmtree(put.path)

    assert (store.get(put.digest).path / "rows.txt").read_bytes() == b"rows"


def test_cache_and_folder_share_their_bytes_and_drop_frees_them(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    store = DvcStore(tmp_path / "store")
    put = store.put(folder(), kind="dataset")

    assert (put.path / "rows.txt").stat().st_nlink == 2

    store.drop(put.digest)
    kept = [path for path in (store.root / ".dvc" / "cache").rglob("*") if path.is_file()]
    assert kept == []


@pytest.mark.parametrize("step", ["rename", "replace"])
def test_a_put_killed_in_the_middle_leaves_nothing_registered(
    folder: Callable[..., Path], tmp_path: Path, step: str
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from tidemill.adapters.store import DvcStore\n"
        "store = DvcStore(Path(sys.argv[1])); store._repo; real = getattr(os, sys.argv[3])\n"
        "def kill(a, b, **k):\n"
        "    in_place = Path(b).parent.name == 'artefacts' and '.arriving' not in str(b)\n"
        "    if in_place: os.kill(os.getpid(), 9)\n"
        "    return real(a, b, **k)\n"
        "setattr(os, sys.argv[3], kill); store.put(Path(sys.argv[2]), kind='dataset')"
    )
    root = tmp_path / "store"
    done = subprocess.run([sys.executable, "-c", code, root, folder("killed"), step])

    assert done.returncode == -9
    assert DvcStore(root).records() == []
    put = DvcStore(root).put(folder("again"), kind="dataset")
    assert DvcStore(root).verify(put.digest) == put
    assert [p.name for p in (root / "artefacts").iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_drop_killed_in_the_middle_leaves_the_others_readable(
    folder: Callable[..., Path], tmp_path: Path, at: int
) -> None:
    code = (
        "import os, shutil, sys; from pathlib import Path\n"
        "from tidemill.adapters.store import DvcStore\n"
        "store = DvcStore(Path(sys.argv[1])); real = shutil.rmtree; calls = []\n"
        "def kill(path, **k):\n"
        "    calls.append(path)\n"
        "    if len(calls) == int(sys.argv[2]): os.kill(os.getpid(), 9)\n"
        "    return real(path, **k)\n"
        "shutil.rmtree = kill; store._sweep = lambda: os.kill(os.getpid(), 9)\n"
        "store.drop_all(sys.argv[3:])"
    )
    root = tmp_path / "store"
    first = DvcStore(root)
    gone = [first.put(folder(f"gone{n}", n=b"%d" % n), kind="dataset").digest for n in range(2)]
    stays = first.put(folder("stays", n=b"stays"), kind="dataset")
    done = subprocess.run([sys.executable, "-c", code, root, str(at), *gone])
    left = [record.digest for record in DvcStore(root).records()]
    DvcStore(root).drop_all(gone)

    assert done.returncode == -9
    assert stays.digest in left
    assert DvcStore(root).verify(stays.digest) == stays
    assert [record.digest for record in DvcStore(root).records()] == [stays.digest]
    assert DvcStore(root).unregistered() == []
    cache = [path for path in (root / ".dvc" / "cache").rglob("*") if path.is_file()]
    assert len(cache) == 4, "three files and the list of the folder"


def test_a_full_disk_or_a_forbidden_folder_gives_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(StorageError, match="TIDEMILL_HOME"):
        DvcStore(tmp_path / "file" / "store")
    with pytest.raises(StorageError, match="free some space or make the folder writable"):
        DvcStore(Path("/proc/tidemill"))


def test_a_write_that_fails_half_way_registers_nothing(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from tidemill.adapters.store import DvcStore; from tidemill.errors import StorageError\n"
        "store = DvcStore(Path(sys.argv[1])); store._repo\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: store.put(Path(sys.argv[2]), kind='dataset')\n"
        "except StorageError as error: print(error); sys.exit(7)"
    )
    root, given = tmp_path / "store", folder("a")
    done = subprocess.run([sys.executable, "-c", code, root, given], capture_output=True, text=True)

    assert done.returncode == 7, done.stderr
    assert "the disk may be full" in done.stdout
    assert DvcStore(root).records() == []
    assert (given / "rows.txt").read_bytes() == b"rows"


def test_a_small_put_and_a_repeated_get_are_quick(
    folder: Callable[..., Path], tmp_path: Path
) -> None:
    store = DvcStore(tmp_path / "store")
    store.put(folder("warm"), kind="dataset")
    given = folder("a", own__txt=b"a")
    started = time.perf_counter()
    put = store.put(given, kind="dataset")
    taken = time.perf_counter() - started
    started = time.perf_counter()
    store.get(put.digest)
    got = time.perf_counter() - started

    assert taken < 0.3
    assert got < 0.1


def test_dvc_writes_nothing_on_standard_output(tmp_path: Path, folder: Callable[..., Path]) -> None:
    code = (
        "import sys; from pathlib import Path; from tidemill.adapters.store import DvcStore\n"
        "store = DvcStore(Path(sys.argv[1]))\n"
        "store.drop(store.put(Path(sys.argv[2]), kind='model').digest)"
    )
    made = [sys.executable, "-c", code, str(tmp_path / "another"), str(folder())]
    done = subprocess.run(made, capture_output=True, text=True, check=True)

    assert done.stdout == ""
