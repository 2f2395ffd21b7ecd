"""The fp32 ONNX export of whole weights through Optimum, made once per source.

int8, ONNX Runtime and TensorRT all start from it, so it is kept beside the steps' folders under the
digest of its source. Optimum's validation and post-processing are left out: answers are compared on
real rows after every step, and the tied head has to stay a constant of its own to be quantised.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tidemill.compression import Say
from tidemill.compression.model_folder import TOKENIZER, copy, quiet, whole
from tidemill.content import digest_of
from tidemill.errors import ArtefactError, MissingExtra
from tidemill.form import ModelForm

MODEL = "model.onnx"
CARRIED = ("config.json", "generation_config.json", *TOKENIZER)
_TASKS = {
    "causal-lm": "text-generation-with-past",
    "sequence-classification": "text-classification",
}


def exported(source: Path, beside: Path, say: Say) -> Path:
    """The folder with `model.onnx` in fp32 for these weights; made below `beside` if need be.

    A causal model takes and gives its KV cache. Raises ArtefactError for an architecture that
    Optimum cannot export.
    """
    form = whole(source, "onnx export")
    if form.task == "sequence-classification" and not form.labels:
        raise ArtefactError(
            f"{source}: this encoder has no labels yet; fine-tune it on a classification dataset"
        )
    place = beside / "exports" / digest_of(source)[7:39]
    if (place / MODEL).exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    say("exporting to ONNX")
    work = Path(tempfile.mkdtemp(dir=place.parent, prefix=".making-"))
    try:
        _export(source, work, form)
        work.replace(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def _export(source: Path, work: Path, form: ModelForm) -> None:
    with quiet():
        try:
            from optimum.exporters.onnx import main_export
        except ImportError:
            raise MissingExtra("optimum-onnx", "compress") from None
        try:
            main_export(
                str(source),
                work,
                task=_TASKS[form.task],
                dtype="fp32",
                library_name="transformers",
                local_files_only=True,
                do_validation=False,
                no_post_process=True,
            )
        except (ValueError, KeyError, NotImplementedError) as error:
            raise ArtefactError(
                f"{source}: Optimum cannot export this model to ONNX ({error}); "
                "serve it merged, or use another base"
            ) from None
    for name in CARRIED:  # Optimum's own copies name this machine's folders
        (work / name).unlink(missing_ok=True)
    copy(source, work, CARRIED)
