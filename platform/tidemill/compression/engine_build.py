"""A TensorRT engine from an ONNX export; the two packages share this API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.compression.model_folder import silence_tools
from tidemill.content import hash_file
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.progress import Progress
from tidemill.spec.compression import TensorRtTarget

ENGINE = "model.engine"
SIDECAR = "engine.json"
_USUAL = 64
"""Tokens that an engine is tuned for."""

Shape = tuple[int, ...]
Shapes = Mapping[str, tuple[Shape, Shape, Shape]]


@dataclass
class EngineBuild:
    """One build under way: the package, what it is for, where progress goes."""

    trt: Any
    package: str
    target: TensorRtTarget
    say: Progress
    errors: list[str] = field(default_factory=list)

    def run(self, graph: Path, form: ModelForm, out: Path, source_sha256: str) -> None:
        """Parse, set the optimisation profile, build, write the engine and its sidecar."""
        builder = self.trt.Builder(_logger(self.trt, self.errors))
        network, parser = self._parse(builder, graph)
        config = builder.create_builder_config()
        self._compute(config)
        shapes = profile_shapes(_inputs(network), self.target)
        self._profile(builder, config, shapes)
        self._progress(config)
        with silence_tools():
            engine = builder.build_serialized_network(network, config)
        del parser
        if engine is None:
            raise ArtefactError(self._error_text("TensorRT could not build the engine"))
        out.mkdir(parents=True, exist_ok=True)
        (out / ENGINE).write_bytes(memoryview(engine))
        self._sidecar(out, shapes, source_sha256)
        form.write(out)

    def _parse(self, builder: Any, graph: Path) -> tuple[Any, Any]:
        network = builder.create_network(0)
        parser = self.trt.OnnxParser(network, _logger(self.trt, self.errors))
        self.say(f"{self.target.runtime}: reading {graph.stat().st_size / 1e6:.0f} MB of ONNX")
        if not parser.parse_from_file(str(graph)):
            errors = [str(parser.get_error(i)) for i in range(parser.num_errors)]
            raise ArtefactError(
                self._error_text(f"TensorRT cannot read the ONNX export: {errors[:3]}")
            )
        return network, parser

    def _compute(self, config: Any) -> None:
        kinds = getattr(self.trt, "ComputeCapability", None)
        if kinds is None or not hasattr(config, "num_compute_capabilities"):
            return  # the data-centre package builds for the GPU in the machine
        capabilities = [getattr(kinds, name, None) for name in self.target.compute]
        if None in capabilities:
            raise ArtefactError(
                f"this version of {self.package} does not build for "
                f"{', '.join(self.target.compute)}; name others under `compute`"
            )
        config.num_compute_capabilities = len(capabilities)
        for index, capability in enumerate(capabilities):
            config.set_compute_capability(capability, index)

    def _profile(self, builder: Any, config: Any, shapes: Shapes) -> None:
        profile = builder.create_optimization_profile()
        for name, (least, usual, most) in shapes.items():
            profile.set_shape(name, least, usual, most)
        if config.add_optimization_profile(profile) < 0:
            raise ArtefactError(self._error_text("TensorRT refuses the shapes asked for"))

    def _progress(self, config: Any) -> None:
        if hasattr(config, "progress_monitor") and hasattr(self.trt, "IProgressMonitor"):
            config.progress_monitor = _monitor(self.trt, self.say, self.target.runtime)

    def _sidecar(self, out: Path, shapes: Shapes, source_sha256: str) -> None:
        sidecar = {
            "runtime": self.target.runtime,
            "version": str(self.trt.__version__),
            "compute": list(self.target.compute),
            "precision": self.target.precision,
            "max_length": self.target.max_length,
            "max_batch": self.target.max_batch,
            "profile": {name: [list(shape) for shape in three] for name, three in shapes.items()},
            "source_onnx_sha256": source_sha256,
            "engine_sha256": hash_file(out / ENGINE),
            "bytes": (out / ENGINE).stat().st_size,
        }
        text = json.dumps(sidecar, indent=1, sort_keys=True)
        (out / SIDECAR).write_text(text + "\n", encoding="utf-8")

    def _error_text(self, what: str) -> str:
        last = f" ({self.errors[-1]})" if self.errors else ""
        return f"{what}{last}; remove the target '{self.target.runtime}' to continue without it"


def profile_shapes(inputs: Sequence[tuple[str, Shape]], target: TensorRtTarget) -> Shapes:
    """Least, usual and largest shape of every dynamic input (-1 in the given shapes).

    A causal model first reads a prompt without a cache, then one token at a time with a cache up to
    `max_length`. Fixed inputs need none.
    """
    cached = any(name.startswith("past_key_values") for name, _ in inputs)
    shapes: dict[str, tuple[Shape, Shape, Shape]] = {}
    for name, shape in inputs:
        if -1 not in shape:
            continue
        least, middle, most = list(shape), list(shape), list(shape)
        length = _lengths(name, cached, target.max_length)
        for axis, size in enumerate(shape):
            if size != -1:
                continue
            three = (1, 1, target.max_batch) if axis == 0 else length
            least[axis], middle[axis], most[axis] = three
        shapes[name] = (tuple(least), tuple(middle), tuple(most))
    return shapes


def _lengths(name: str, cached: bool, most: int) -> tuple[int, int, int]:
    usual = min(_USUAL, most - 1)
    if name.startswith("past_key_values"):
        return 0, usual, most - 1
    if cached and name in ("input_ids", "position_ids"):
        return 1, 1, most
    return 1, usual + 1, most


def _inputs(network: Any) -> list[tuple[str, Shape]]:
    tensors = (network.get_input(index) for index in range(network.num_inputs))
    return [(tensor.name, tuple(tensor.shape)) for tensor in tensors]


def _logger(trt: Any, errors: list[str]) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]
        """Keeps what goes wrong, for the message."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                errors.append(message)

    return Logger()


def _monitor(trt: Any, say: Progress, runtime: str) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Says how far the outermost phase of the build is."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.phases: dict[str, tuple[int, bool]] = {}

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self.phases[phase] = steps, parent is None

        def step_complete(self, phase: str, step: int) -> bool:
            steps, outermost = self.phases.get(phase, (0, False))
            if outermost and steps:
                say(f"{runtime}: {phase}", done=step + 1, total=steps)
            return True

        def phase_finish(self, phase: str) -> None:
            self.phases.pop(phase, None)

    return Monitor()
