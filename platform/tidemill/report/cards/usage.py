"""How to use a release: asked through its gateway, or taken out of the store."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from markupsafe import Markup

from tidemill.report import formatting
from tidemill.report.release_facts import ReleaseFacts


@dataclass(frozen=True)
class Usage:
    """Commands as they are typed; all of it is code and stands in code blocks."""

    ask: Markup
    fetch: Markup


def release_usage(story: ReleaseFacts) -> Usage:
    """For the kind of model that serves."""
    return Usage(Markup(_ask(story)), Markup(_fetch(story)))  # noqa: S704 - names and digests only


def _ask(story: ReleaseFacts) -> str:
    tensors = {"sequence-classification": ("text", "…"), "ranking": ("history", '["…", "…"]')}
    tensor = tensors.get(story.task or "")
    path, body = _infer(story, *tensor) if tensor else _chat(story)
    url = f"http://127.0.0.1:8600/{story.service}/{path}"
    payload = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl {shlex.quote(url)} -H 'content-type: application/json' \\\n  -d {payload}"


def _chat(story: ReleaseFacts) -> tuple[str, dict[str, object]]:
    message = {"role": "user", "content": "…"}
    return "openai/v1/chat/completions", {"model": story.service, "messages": [message]}


def _infer(story: ReleaseFacts, name: str, value: str) -> tuple[str, dict[str, object]]:
    tensor = {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}
    return f"v2/models/{story.service}/infer", {"inputs": [tensor]}


def _fetch(story: ReleaseFacts) -> str:
    served = story.release.served_artefact
    kind = served.kind if served else "model"
    name = f"{kind}-{story.release.model.removeprefix('sha256:')[:16]}"
    pointer = f"artefacts/{name}.dvc"
    return (
        f"dvc pull {pointer}   # in the store of the home; {formatting.short_digest(story.digest)}"
    )
