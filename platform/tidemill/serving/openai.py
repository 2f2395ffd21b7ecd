"""The OpenAI routes of a model server: chat completions, whole or streamed, and the model list.

KServe 0.21 takes its own OpenAI routes from vllm, which needs a GPU build; without it they are
left out in silence. These are the same routes on the same KServe application.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill.errors import BadRequest, Overloaded, PromptTooLong
from tidemill.rows import MutableRow
from tidemill.serving.predictor import InferenceRequest, InferenceResponse
from tidemill.serving.request_queue import RequestQueue

if TYPE_CHECKING:
    from fastapi import APIRouter, Request, Response

RESPONSE_ID, RELEASE = "x-tidemill-response-id", "x-tidemill-release"
SUBJECT, ARM = "x-tidemill-subject", "x-tidemill-arm"
PAIR = "x-tidemill-pair"
_PAIR_ID = re.compile(r"[0-9a-f]{32}")
CACHED = "x-tidemill-cached"


class ContentPart(BaseModel):
    """A piece of a message's content; only text is understood."""

    type: str
    text: str = ""


class ChatMessage(BaseModel):
    """One turn of a conversation."""

    role: str
    content: str | list[ContentPart] | None = None

    def to_dict(self) -> dict[str, str]:
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

    inputs: MutableRow | None = None
    subject: str | None = None
    conversation: str | None = None


class StreamOptions(BaseModel):
    """Options of a stream."""

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """Chat completion request; sampling parameters are ignored, decoding is greedy."""

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

    def to_request(self, headers: Any) -> InferenceRequest:
        """The request as the release takes it; raises BadRequest for what does not go together."""
        if self.stream_options and not self.stream:
            raise BadRequest("`stream_options` needs `stream: true`; set that, or leave it out")
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return InferenceRequest(
            messages=tuple(message.to_dict() for message in self.messages),
            inputs=self.tidemill.inputs,
            max_tokens=self.max_completion_tokens or self.max_tokens,
            stop=tuple(stop),
            subject=self.tidemill.subject or headers.get(SUBJECT) or self.user,
            conversation=self.tidemill.conversation,
            arm=headers.get(ARM, "live"),
            pair=read_pair(headers),
        )


def read_pair(headers: Any) -> str | None:
    """The id that the gateway gave a request and its copies; None for anything else."""
    pair = str(headers.get(PAIR, ""))
    return pair if _PAIR_ID.fullmatch(pair) else None


def parse_request(body: bytes) -> ChatRequest:
    """The request; raises BadRequest naming the first field that is wrong."""
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "body"
        raise BadRequest(f"{field}: {first['msg']}") from None


def router(queue: RequestQueue) -> APIRouter:
    """The routes below `/openai/v1`."""
    from fastapi import APIRouter, Request, Response
    from fastapi.responses import JSONResponse, StreamingResponse

    routes = APIRouter(prefix="/openai/v1", tags=["OpenAI"])
    service = queue.answerer.release.service

    async def chat(request: Request) -> Response:
        try:
            chat_request = parse_request(await request.body())
            if chat_request.model not in (None, "", service):
                return _error_response(
                    404, f"no model '{chat_request.model}' here; this one is '{service}'"
                )
            ask = chat_request.to_request(request.headers)
            if chat_request.stream:
                pieces = await queue.stream(ask)
                headers = {RELEASE: queue.answerer.release.digest, RESPONSE_ID: pieces.response_id}
                headers |= {CACHED: "true"} if pieces.cached else {}
                body = _events(pieces.items(), service, pieces.response_id, chat_request)
                return StreamingResponse(body, media_type="text/event-stream", headers=headers)
            response = await queue.answer(ask)
        except (BadRequest, PromptTooLong) as error:
            return _error_response(400, str(error))
        except Overloaded as error:
            return _error_response(503, str(error))
        return JSONResponse(completion(response, queue), headers=_headers(response, queue))

    async def models() -> dict[str, object]:
        card = {"id": service, "object": "model", "created": 0, "owned_by": "tidemill"}
        return {"object": "list", "data": [card]}

    # FastAPI reads annotations at run time; these names are only imported here.
    chat.__annotations__ = {"request": Request, "return": Response}
    routes.add_api_route("/chat/completions", chat, methods=["POST"], response_model=None)
    routes.add_api_route("/models", models, methods=["GET"])
    return routes


def completion(response: InferenceResponse, queue: RequestQueue) -> dict[str, object]:
    """A chat completion object, with what OpenAI has no name for under `tidemill`."""
    return {
        "id": response.response_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": queue.answerer.release.service,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": response.answer.text},
                "finish_reason": response.finish,
            }
        ],
        "usage": _usage(response),
        "tidemill": extension(response, queue),
    }


def extension(response: InferenceResponse, queue: RequestQueue) -> dict[str, object]:
    """The `tidemill` object of a response: label, validity and more of the parsed answer."""
    return {
        "response_id": response.response_id,
        "release": queue.answerer.release.digest,
        "label": response.answer.label,
        "reasoning": response.answer.reasoning,
        "valid": response.answer.valid,
        "probability": response.probability,
        "cached": response.cached,
    }


def _headers(response: InferenceResponse, queue: RequestQueue) -> dict[str, str]:
    headers = {RESPONSE_ID: response.response_id, RELEASE: queue.answerer.release.digest}
    return {**headers, CACHED: "true"} if response.cached else headers


def _usage(response: InferenceResponse) -> dict[str, int]:
    total = response.tokens_in + response.tokens_out
    return {
        "prompt_tokens": response.tokens_in,
        "completion_tokens": response.tokens_out,
        "total_tokens": total,
    }


def _error_response(status: int, message: str) -> Response:
    from fastapi.responses import JSONResponse

    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(status, "overloaded_error")
    error = {"message": message, "type": kind, "param": None, "code": str(status)}
    return JSONResponse({"error": error}, status_code=status)


async def _events(
    items: AsyncIterator[str | InferenceResponse],
    service: str,
    response_id: str,
    chat_request: ChatRequest,
) -> AsyncIterator[str]:
    head: dict[str, object] = {
        "id": response_id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": service,
    }
    usage = bool(chat_request.stream_options and chat_request.stream_options.include_usage)
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


def _line(head: dict[str, object], delta: dict[str, str], finish: str | None = None) -> str:
    return _sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _sse(value: dict[str, object]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
