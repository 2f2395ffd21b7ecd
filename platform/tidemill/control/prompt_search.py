"""A search for a better prompt: what it reads, when it is the same search again, and its report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tidemill.adapters.answer_cache import SearchMemory
from tidemill.adapters.reflection import ChatModel
from tidemill.catalog import SEARCH
from tidemill.content import PREFIX
from tidemill.engine.search_budget import Limits
from tidemill.errors import MissingArtefact, TidemillError
from tidemill.home import Home
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.pipeline.optimise import PromptSearchResult, SearchRequest, optimise
from tidemill.pipeline.same_rows import first_build, identity
from tidemill.ports import Artefact, Materialisation
from tidemill.progress import Progress
from tidemill.search import UserComment
from tidemill.spec.dataset import Dataset
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import LoadedSpec
from tidemill.spec.prompt import Optimise, Prompt
from tidemill.spec.searches import encoders, search_models


@dataclass(frozen=True)
class SearchInputs:
    """Everything that a search reads."""

    records: Mapping[str, Materialisation]
    """The newest records of the dataset, of what the prompt takes, and of encoders, by name."""
    model: Materialisation
    comments: tuple[UserComment, ...]
    """What users said, for a method that reflects on it; empty for any other."""
    encoder: str
    """The sentence encoder; empty where none was built."""


@dataclass(frozen=True)
class PromptSearch:
    """A search for a better prompt, ready to run."""

    builder: ProjectBuilder
    spec: Prompt
    model: str
    """The spec whose weights answer."""
    method: str
    seed: int = 0
    calls: int | None = None
    """Limit of model calls in the place of the spec's."""

    @property
    def optimise(self) -> Optimise:
        """The search space and budget."""
        assert self.spec.optimise is not None
        return self.spec.optimise

    @property
    def loaded_spec(self) -> LoadedSpec:
        """The spec with its file."""
        return self.builder.project.specs[self.spec.name]

    @property
    def limits(self) -> Limits:
        """The budget."""
        calls = self.calls or self.optimise.calls
        return Limits(calls=calls, tokens=self.optimise.tokens, money=self.optimise.money)

    def read_inputs(self, home: Home, *, frozen: bool = False) -> SearchInputs:
        """What the search reads as it is built now; raises MissingArtefact where something is
        missing or stale. With `frozen`, users' comments end where the dataset's feedback does."""
        current = self.builder.current
        current(self.spec.name)  # the prompt as it is has to be built, and fresh
        names = dict.fromkeys([*self.builder.upstream(self.spec.name), self.optimise.dataset])
        records = {name: current(name) for name in names}
        candidates = encoders(self.builder.specs)
        for name in candidates:
            try:
                records[name] = current(name)
            except MissingArtefact:
                if self.method == "similar":
                    raise
        until = records[self.optimise.dataset].facts.get("offsets", {}) if frozen else None
        encoder = next((name for name in candidates if name in records), "")
        return SearchInputs(records, current(self.model), self._comments(home, until), encoder)

    def key(self, home: Home, inputs: SearchInputs) -> str:
        """`sha256:` and 64 hex digits over all that decides the outcome of the search."""
        reflection = home.settings.reflection
        content = [
            self.builder.spec_digest(self.spec.name),
            self.optimise.model_dump(mode="json"),
            [self.model, identity(inputs.model)],
            {name: identity(record) for name, record in inputs.records.items()},
            [asdict(comment) for comment in inputs.comments],
            [self.method, SEARCH.load(self.method).VERSION, self.seed, asdict(self.limits)],
            [inputs.encoder, f"{reflection.model} at {reflection.url}" if reflection else ""],
        ]
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
        return PREFIX + hashlib.sha256(text.encode()).hexdigest()

    def run(self, home: Home, inputs: SearchInputs, say: Progress) -> PromptSearchResult:
        """Search within the budget; raises what `tidemill.pipeline.optimise` raises."""
        reflection = home.settings.reflection
        artefacts = {name: _artefact(home, record) for name, record in inputs.records.items()}
        request = SearchRequest(
            self.method, self.seed, self.limits, inputs.comments, inputs.encoder
        )
        return optimise(
            self.spec,
            self.optimise,
            (self.model, _artefact(home, inputs.model)),
            artefacts,
            self.builder.build_context(self.spec.name, "optimise", say),
            SearchMemory.of_home(home.settings.home),
            request,
            ChatModel(reflection) if reflection else None,
        )

    def _comments(self, home: Home, until: Mapping[str, int] | None) -> tuple[UserComment, ...]:
        project = self.builder.project
        dataset = project.spec(self.optimise.dataset, Dataset)
        streams = [source.of for source in dataset.sources if source.type == "feedback"]
        if not getattr(SEARCH.load(self.method), "REFLECTS", False):
            return ()
        key = home.settings.subject_key
        topics = [project.spec(name, Feedback).topic for name in dict.fromkeys(streams)]
        feedback, inputs = home.ledger.feedback, self.spec.inputs
        return tuple(
            comment
            for topic in topics
            for comment in feedback.comments(topic, dataset.privacy, inputs, key=key, until=until)
        )


def search_model(builder: ProjectBuilder, prompt: Prompt) -> str:
    """The one model that answers a search; raises TidemillError where there are several."""
    models = search_models(builder.specs, prompt)
    if len(models) == 1:
        return models[0]
    several = f"{', '.join(models)} are" if models else "no model is"
    raise TidemillError(
        f"{several} evaluated with '{prompt.name}'; choose one with --model NAME, or name it as "
        "`optimise.model`"
    )


def _artefact(home: Home, record: Materialisation) -> Artefact:
    build = first_build(home.ledger.materialisations, home.store, record)
    return home.store.get(build.artefact)
