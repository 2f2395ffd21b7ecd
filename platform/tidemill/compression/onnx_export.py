"""The fp32 ONNX export of whole weights through Optimum, made once per source.

int8, ONNX Runtime and TensorRT all start from it, so it is kept beside the steps' folders under the
digest of its source. Optimum's validation and post-processing are left out: answers are compared on
real rows after every step, and the tied head has to stay a constant of its own to be quantised.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tidemill.compression.model_folder import TOKENIZER, check_full_weights, copy, silence_tools
from tidemill.content import digest_of
from tidemill.errors import ArtefactError, MissingExtra
from tidemill.form import ModelForm
from tidemill.progress import Progress

MODEL = "model.onnx"
COPIED_FILES = ("config.json", "generation_config.json", *TOKENIZER)
_TASKS = {
    "causal-lm": "text-generation-with-past",
    "sequence-classification": "text-classification",
}


def export_onnx(source: Path, beside: Path, say: Progress) -> Path:
    """The folder with `model.onnx` in fp32 for these weights; made below `beside` if need be.

    A causal model takes and gives its KV cache. Raises ArtefactError for an architecture that
    Optimum cannot export.
    """
    form = check_full_weights(source, "onnx export")
    if form.task == "sequence-classification" and not form.labels:
        raise ArtefactError(
            f"{source}: this encoder has no labels yet; fine-tune it on a classification dataset"
        )
    folder = beside / "exports" / digest_of(source)[7:39]
    if (folder / MODEL).exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    say("exporting to ONNX")
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
    try:
        _export(source, work, form)
        work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def _export(source: Path, work: Path, form: ModelForm) -> None:
    export = _export_sentence_classifier if form.pooling else _export_architecture
    with silence_tools():
        try:
            export(source, work, form)
        except ImportError:
            raise MissingExtra("optimum-onnx", "compress") from None
        except (ValueError, KeyError, NotImplementedError) as error:
            raise ArtefactError(
                f"{source}: Optimum cannot export this model to ONNX ({error}); "
                "serve it merged, or use another base"
            ) from None
    for name in COPIED_FILES:  # Optimum's own copies name this machine's folders
        (work / name).unlink(missing_ok=True)
    copy(source, work, COPIED_FILES)


def _export_architecture(source: Path, work: Path, form: ModelForm) -> None:
    """A model whose head is part of its architecture: Optimum knows it."""
    from optimum.exporters.onnx import main_export

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


def _export_sentence_classifier(source: Path, work: Path, form: ModelForm) -> None:
    """Encoder, pooling and linear head in one graph, with the inputs Optimum gives the encoder."""
    from optimum.exporters.onnx import export
    from optimum.exporters.tasks import TasksManager

    from tidemill.runtimes import sentence_classifier

    model = sentence_classifier.load(source, len(form.labels))
    config = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=model.config.model_type, task=_TASKS[form.task],
        library_name="transformers",
    )(model.config)  # fmt: skip
    export(model, config, work / MODEL)
