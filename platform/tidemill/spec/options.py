"""Techniques a spec names: do they exist, and do they take these options."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from tidemill.catalog import TRAINING, Catalog
from tidemill.errors import suggest
from tidemill.spec.base import NamesTechnique, Spec
from tidemill.spec.finetune import LOOP_FIELDS, FineTune, Train
from tidemill.spec.positions import Path_
from tidemill.spec.references import find_references, find_techniques
from tidemill.spec.validation_messages import explain_error


@dataclass(frozen=True)
class FieldProblem:
    """A problem at a path of a spec; whoever knows the file turns it into a `Problem`."""

    path: Path_
    cause: str
    way_out: str


@dataclass(frozen=True)
class TechniqueUse:
    """A technique that takes options, as one place of a spec uses it."""

    path: Path_
    """Path of the mapping that holds the options."""
    catalog: Catalog
    name: str
    option_values: dict[str, object]


def technique_uses(spec: Spec) -> Iterator[TechniqueUse]:
    """Every technique of a spec that may be given options."""
    for path, technique in find_techniques(spec):
        yield TechniqueUse(path, technique.catalog, technique.type, technique.option_values)
    if isinstance(spec, FineTune):
        yield TechniqueUse(("options",), TRAINING, spec.method, dict(spec.options))


def technique_problems(spec: Spec) -> Iterator[FieldProblem]:
    """Unknown techniques, and options they do not take."""
    for site in find_references(spec):
        if isinstance(site.marker, NamesTechnique):
            catalog = site.marker.catalog
            if catalog.names() and site.name not in catalog.names():
                cause = f"'{site.key}: {site.name}' is no {catalog.label}"
                yield FieldProblem(site.path, cause, suggest(site.name, catalog.names()))
    for use in technique_uses(spec):
        if use.name in use.catalog.names():
            yield from _option_problems(use)


def _option_problems(use: TechniqueUse) -> Iterator[FieldProblem]:
    try:
        model = options_model(use.catalog, use.name)
    except ImportError as error:
        yield FieldProblem(
            use.path, f"'{use.name}' cannot be loaded: {error}", "install what is missing"
        )
        return
    if model is None:
        for key in use.option_values:
            cause = f"'{key}' is no option of {use.name}"
            yield FieldProblem((*use.path, key), cause, "it takes none; delete the key")
        return
    try:
        model.model_validate(use.option_values)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            cause, way_out = explain_error(details, details["loc"], model)
            cause = cause.replace(model.__name__, use.name, 1)
            yield FieldProblem((*use.path, *details["loc"]), cause, way_out)


def options_model(catalog: Catalog, name: str) -> type[BaseModel] | None:
    """The pydantic model of a technique's options; None where it takes none, or the whole catalog
    is not installed."""
    if not catalog.names():
        return None
    model: type[BaseModel] | None = getattr(catalog.load(name), "Options", None)
    return model


def takes_no_steps(spec: FineTune) -> bool:
    """True where the fine-tuning method fits at once, without the training loop."""
    return spec.method in TRAINING.names() and hasattr(TRAINING.load(spec.method), "fit")


def ranks(method: str) -> bool:
    """True where a fine-tuning method makes a recommender."""
    return method in TRAINING.names() and getattr(TRAINING.load(method), "RANKS", False)


def _has_stepping_candidate(spec: FineTune) -> bool:
    """True where an alternative is trained step by step, by the spec's own `train`."""
    others = spec.candidates.alternatives if spec.candidates else ()
    methods = (other.method for other in others if other.method in TRAINING.names())
    return any(not hasattr(TRAINING.load(str(method)), "fit") for method in methods)


def ignored_fields(spec: FineTune) -> tuple[tuple[str, ...], ...]:
    """Paths of fields that have no effect on a fine-tune with this method: what only the training
    loop reads, where the method takes no steps."""
    if not takes_no_steps(spec) or _has_stepping_candidate(spec):
        return ()
    used = TRAINING.load(spec.method).TRAIN_FIELDS
    train = (("train", name) for name in Train.model_fields if name not in used)
    return (*train, *((name,) for name in LOOP_FIELDS))
