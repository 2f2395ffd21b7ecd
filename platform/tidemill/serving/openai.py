"""The OpenAI routes of a model server: chat completions, whole or streamed, and the model list.

KServe 0.21 takes its own OpenAI routes from vllm, which needs a GPU build; without it they are
left out in silence. These are the same routes on the same KServe application.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill.errors import BadRequest, Overloaded, PromptTooLong
from tidemill.serving.predictor import Ask, Given
from tidemill.serving.request_queue import Work

if TYPE_CHECKING:
    from fastapi import APIRouter, Request, Response

RESPONSE_ID, RELEASE = "x-tidemill-response-id", "x-tidemill-release"
SUBJECT, ARM = "x-tidemill-subject", "x-tidemill-arm"
CACHED = "x-tidemill-cached"


class Part(BaseModel):
    """A piece of a message's content; only text is understood."""

    type: str
    text: str = ""


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    role: str
    content: str | list[Part] | None = None

    def plain(self) -> dict[str, str]:
        """Role and text; raises BadRequest for anything but text."""
        if isinstance(self.content, list):
            other = [part.type for part in self.content if part.type != "text"]
            if other:
                raise BadRequest(f"content of type '{other[0]}' is not understood; send text")
            return {"role": self.role, "content": "".join(p.text for p in self.content)}
        return {"role": self.role, "content": self.content or ""}


class Extension(BaseModel):
    """The `tidemill` object of a request."""

    model_config = ConfigDict(extra="forbid")

    inputs: dict[str, Any] | None = None
    subject: str | None = None
    conversation: str | None = None


class StreamOptions(BaseModel):
    """What a stream is to say beyond the answer."""

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """What is read of a chat completion request; sampling parameters are ignored (greedy)."""

    model: str | None = None
    messages: list[ChatMessage] = Field(default_factory=list)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    n: int | None = Field(default=None, ge=1, le=1)
    user: str | None = None
    tidemill: Extension = Extension()

    def ask(self, headers: Any) -> Ask:
        """The request as the release takes it; raises BadRequest for what does not go together."""
        if self.stream_options and not self.stream:
            raise BadRequest("`stream_options` needs `stream: true`; set that, or leave it out")
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Ask(
            messages=tuple(message.plain() for message in self.messages),
            inputs=self.tidemill.inputs,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            stop=tuple(stop),
            subject=self.tidemill.subject or headers.get(SUBJECT) or self.user,
            conversation=self.tidemill.conversation,
            arm=headers.get(ARM, "live"),
        )


def parse(body: bytes) -> ChatRequest:
    """The request; raises BadRequest naming the first field that is wrong."""
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise BadRequest(f"{where}: {first['msg']}") from None


def router(work: Work) -> APIRouter:
    """The routes below `/openai/v1`."""
    from fastapi import APIRouter, Request, Response
    from fastapi.responses import JSONResponse, StreamingResponse

    routes = APIRouter(prefix="/openai/v1", tags=["OpenAI"])
    service = work.answerer.release.service

    async def chat(request: Request) -> Response:
        try:
            wanted = parse(await request.body())
            if wanted.model not in (None, "", service):
                return _refused(404, f"no model '{wanted.model}' here; this one is '{service}'")
            ask = wanted.ask(request.headers)
            if wanted.stream:
                pieces = await work.stream(ask)
                headers = {RELEASE: work.answerer.release.digest, RESPONSE_ID: pieces.response_id}
                body = _events(pieces.items(), service, pieces.response_id, wanted)
                return StreamingResponse(body, media_type="text/event-stream", headers=headers)
            given = await work.answer(ask)
        except (BadRequest, PromptTooLong) as error:
            return _refused(400, str(error))
        except Overloaded as error:
            return _refused(503, str(error))
        return JSONResponse(completion(given, work), headers=_headers(given, work))

    async def models() -> dict[str, Any]:
        card = {"id": service, "object": "model", "created": 0, "owned_by": "tidemill"}
        return {"object": "list", "data": [card]}

    # FastAPI reads annotations at run time; these names are only imported here.
    chat.__annotations__ = {"request": Request, "return": Response}
    routes.add_api_route("/chat/completions", chat, methods=["POST"], response_model=None)
    routes.add_api_route("/models", models, methods=["GET"])
    return routes


def completion(given: Given, work: Work) -> dict[str, Any]:
    """A chat completion object, with what OpenAI has no name for under `tidemill`."""
    return {
        "id": given.response_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": work.answerer.release.service,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": given.answer.text},
                "finish_reason": given.finish,
            }
        ],
        "usage": _usage(given),
        "tidemill": extension(given, work),
    }


def extension(given: Given, work: Work) -> dict[str, Any]:
    """What a parsed answer says beyond its text."""
    return {
        "response_id": given.response_id,
        "release": work.answerer.release.digest,
        "label": given.answer.label,
        "reasoning": given.answer.reasoning,
        "valid": given.answer.valid,
        "probability": given.probability,
        "cached": given.cached,
    }


def _headers(given: Given, work: Work) -> dict[str, str]:
    told = {RESPONSE_ID: given.response_id, RELEASE: work.answerer.release.digest}
    return {**told, CACHED: "true"} if given.cached else told


def _usage(given: Given) -> dict[str, int]:
    total = given.tokens_in + given.tokens_out
    return {
        "prompt_tokens": given.tokens_in,
        "completion_tokens": given.tokens_out,
        "total_tokens": total,
    }


def _refused(status: int, message: str) -> Response:
    from fastapi.responses import JSONResponse

    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(status, "overloaded_error")
    error = {"message": message, "type": kind, "param": None, "code": str(status)}
    return JSONResponse({"error": error}, status_code=status)


async def _events(
    items: AsyncIterator[str | Given], service: str, response_id: str, wanted: ChatRequest
) -> AsyncIterator[str]:
    head: dict[str, Any] = {
        "id": response_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": service,
    }
    usage = bool(wanted.stream_options and wanted.stream_options.include_usage)
    if usage:  # as OpenAI: null until the last chunk
        head["usage"] = None
    yield _line(head, {"role": "assistant", "content": ""})
    async for item in items:
        if isinstance(item, str):
            yield _line(head, {"content": item})
        else:
            yield _line(head, {}, item.finish)
            if usage:
                yield _sse({**head, "choices": [], "usage": _usage(item)})
    yield "data: [DONE]\n\n"


def _line(head: dict[str, Any], delta: dict[str, str], finish: str | None = None) -> str:
    return _sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _sse(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
