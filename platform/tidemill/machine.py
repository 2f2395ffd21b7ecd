"""Abilities of this machine's processor: cores, bf16, and a heap that keeps its memory."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import Any

from tidemill.errors import MissingExtra


def cores() -> int:
    """Physical cores this process may use; OMP_NUM_THREADS wins where it is set."""
    import psutil

    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit() and int(threads) > 0:
        return int(threads)
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


@cache
def bf16() -> bool:
    """True where the processor multiplies bf16 itself; emulated it would be slower than fp32."""
    if only_avx2():
        return False
    import torch

    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


SHARING = {"GOMP_SPINCOUNT": "1000"}
"""Environment of processes that calculate: threads of a matrix product wait for each other for a
moment only, then sleep. By default they go on spinning, which takes the core from the very thread
that is waited for as soon as anything else runs (a training step: 6.9 s instead of 1.8 s beside two
busy processes). On an idle machine nothing changes, unlike with OMP_WAIT_POLICY=PASSIVE (20 %)."""


def limit_spin_wait() -> None:
    """Set SHARING for this process and its children; works only before torch is imported."""
    for name, value in SHARING.items():
        os.environ.setdefault(name, value)


def configure_torch() -> Any:
    """torch, ready to calculate on this machine's cores."""
    limit_spin_wait()
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "train") from None
    keep_heap()
    torch.set_num_threads(cores())
    return torch


@cache
def keep_heap() -> None:
    """Let glibc keep big blocks for the next step instead of mapping and clearing them anew.

    Activations of tens of megabytes come and go at every step; by default each is a fresh mapping
    whose pages the kernel has to zero. Does nothing on other C libraries.
    """
    import ctypes

    m_trim_threshold, m_mmap_threshold = -1, -3
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, (1 << 31) - 1)
    except (OSError, AttributeError):
        return


def only_avx2() -> bool:
    """True where the environment keeps torch or oneDNN to AVX2 or less, by their own variables."""
    limits = (os.environ.get(name, "") for name in ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"))
    return any(isa.lower() in ("default", "sse41", "avx", "avx2") for isa in limits)


@cache
def instruction_set() -> str:
    """The widest integer instructions here, as ONNX Runtime's quantiser names them."""
    import platform

    if platform.machine().lower() in ("arm64", "aarch64"):
        return "arm64"
    if only_avx2():
        return "avx2"
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:  # noqa: PTH123
            flags = next((line for line in stream if line.startswith("flags")), "").split()
    except OSError:
        return "avx2"
    if "avx512_vnni" in flags:
        return "avx512_vnni"
    return "avx512" if "avx512f" in flags else "avx2"


def session_options() -> Any:
    """ONNX Runtime session options for this process: its cores, warnings off."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("onnxruntime", "compress") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.log_severity_level = 3
    return options


def quiet_dvc() -> None:
    """Import DVC without its analytics and without its messages on standard output, which a command
    with `--json` writes to; its warnings go where those of every other library go.

    Raises ImportError where DVC is not installed.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    import dvc  # noqa: F401 - it sets its loggers up when it is imported

    for name in ("dvc", "dvc_data", "dvc_objects"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.WARNING)
