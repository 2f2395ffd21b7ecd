"""An evaluation at one revision, ready to be asked: its model, its prompt, earlier answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidemill.content import digest_of
from tidemill.errors import ArtefactError
from tidemill.pipeline import prompt as prompts
from tidemill.pipeline.answer_file import read_answers
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.context import BuildContext
from tidemill.ports import Artefact, Materialisation
from tidemill.prompts import PromptProgram
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.neighbours import prompt_name
from tidemill.spec.prompt import Prompt


@dataclass(frozen=True)
class EvaluatedVersion:
    """The spec of an evaluation with everything that its answers follow from."""

    spec: Evaluation
    inputs: Mapping[str, Artefact]
    """The artefacts it is made from, by spec name; the prompt is one of them."""
    context: BuildContext
    prompt: str = ""
    """Name of the prompt; empty for a model that takes none."""
    program: PromptProgram | None = None

    @property
    def model(self) -> Artefact:
        """The weights that answer."""
        return self.inputs[self.spec.of]

    @property
    def answers_key(self) -> tuple[str, str]:
        """Digests of model and prompt: two versions with the same ones give the same answers."""
        return self.model.digest, self.inputs[self.prompt].digest if self.prompt else ""


def prepare_version(
    spec: Evaluation, inputs: Mapping[str, Artefact], context: BuildContext
) -> EvaluatedVersion:
    """The version with its prompt as the specs of `context` say it, built in the scratch folder.

    `inputs` hold the model, the dataset, and what the prompt takes. Raises SpecError with the
    template's line, DataError.
    """
    name = prompt_name(spec, context.specs)
    wording = context.specs.get(name or "")
    if name is None or not isinstance(wording, Prompt):
        return EvaluatedVersion(spec, inputs, context)
    program, _ = prompts.read_program(wording, inputs, context.project_folder)
    folder = context.scratch / "prompt"
    shutil.rmtree(folder, ignore_errors=True)
    program.save(folder)
    artefact = Artefact(digest_of(folder), "prompt", folder, 0)
    return EvaluatedVersion(spec, {**inputs, name: artefact}, context, name, program)


def recorded_answers(
    version: EvaluatedVersion, records: Iterable[Materialisation]
) -> dict[str, EvaluatedRow]:
    """What the same model with the same prompt answered in earlier evaluations, by row id; of two
    answers the one in the earlier of `records`. A row's id is a hash of its content."""
    answers: dict[str, EvaluatedRow] = {}
    for record in records:
        if record.inputs.get(version.spec.of) != version.model.digest:
            continue
        try:
            report = version.context.store.get(record.artefact)
        except ArtefactError:
            continue
        if _has_prompt(report, version):
            answers = {**read_answers(report.path), **answers}
    return answers


def _has_prompt(report: Artefact, version: EvaluatedVersion) -> bool:
    if not version.prompt:
        return True
    content = json.loads((report.path / "report.json").read_text(encoding="utf-8"))
    digest = version.inputs[version.prompt].digest
    return bool((content.get("inputs") or {}).get(version.prompt) == digest)
