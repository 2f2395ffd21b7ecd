"""The Open Inference Protocol v2 on a release, as a KServe model.

Inputs are named BYTES tensors: one per column the prompt takes, or one called `text` or `prompt`
where it takes one. Each row is one answer. Outputs: `text`, and `label` where the prompt has one.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from tidemill.errors import BadRequest, Overloaded, PromptTooLong
from tidemill.serving.openai import ARM, CACHED, RELEASE, RESPONSE_ID, SUBJECT, read_pair
from tidemill.serving.predictor import InferenceRequest, InferenceResponse
from tidemill.serving.request_queue import QUEUE_SIZE, RequestQueue

if TYPE_CHECKING:
    from kserve import Model

_ONE = ("text", "prompt", "input")


def kserve_model(queue: RequestQueue) -> Model:
    """The KServe model that answers v2 requests of the release."""
    import kserve
    from kserve import errors

    class ReleaseModel(kserve.Model):  # type: ignore[misc]
        """A release behind KServe's data plane."""

        def __init__(self) -> None:
            super().__init__(queue.answerer.release.service, return_response_headers=True)
            self.ready = True

        def get_input_types(self) -> list[dict[str, object]]:
            return [_tensor(name) for name in input_columns(queue)]

        def get_output_types(self) -> list[dict[str, object]]:
            return [_tensor(name) for name in ("text", "label", "response_id")]

        async def predict(
            self,
            payload: Any,
            headers: dict[str, str] | None = None,
            response_headers: dict[str, str] | None = None,
        ) -> Any:
            try:
                asks = _asks(payload, queue, headers or {})
                responses = await asyncio.gather(*(queue.answer(ask) for ask in asks))
            except (BadRequest, PromptTooLong) as error:
                raise errors.InvalidInput(str(error)) from None
            except Overloaded as error:
                raise errors.ServerNotReady(str(error)) from None
            if response_headers is not None:
                response_headers[RELEASE] = queue.answerer.release.digest
                response_headers[RESPONSE_ID] = ",".join(
                    response.response_id for response in responses
                )
                if all(response.cached for response in responses):
                    response_headers[CACHED] = "true"
            return _response(payload, queue, responses)

        def stop(self) -> None:
            super().stop()
            queue.close()

    return ReleaseModel()


def input_columns(queue: RequestQueue) -> tuple[str, ...]:
    """Names of the tensors a request carries."""
    return queue.answerer.columns or ("prompt",)


def _asks(payload: Any, queue: RequestQueue, headers: dict[str, str]) -> list[InferenceRequest]:
    names, takes_text = input_columns(queue), not queue.answerer.columns
    if isinstance(payload, dict):  # the v1 form: {"instances": [{column: value}]}
        rows = payload.get("instances")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadRequest("`instances` is a list of objects, one value per column")
        parameters: dict[str, Any] = {}
    else:
        tensors = {tensor.name: _texts(tensor) for tensor in payload.inputs}
        parameters = dict(payload.parameters or {})
        rows = _rows(tensors, names)
    if len(rows) > QUEUE_SIZE:
        raise BadRequest(f"{len(rows)} rows in one request; send at most {QUEUE_SIZE}")
    subject = parameters.get("subject") or headers.get(SUBJECT)
    pair = read_pair(headers)
    return [
        InferenceRequest(
            inputs=None if takes_text else row,
            messages=({"role": "user", "content": row["prompt"]},) if takes_text else (),
            max_tokens=_positive(parameters.get("max_tokens")),
            subject=str(subject) if subject else None,
            conversation=parameters.get("conversation"),
            arm=headers.get(ARM, "live"),
            pair=f"{pair}-{number}" if pair and number else pair,
        )
        for number, row in enumerate(rows)
    ]


def _rows(tensors: dict[str, list[str]], names: tuple[str, ...]) -> list[dict[str, str]]:
    if len(names) == 1 and len(tensors) == 1 and next(iter(tensors)) in _ONE:
        tensors = {names[0]: next(iter(tensors.values()))}
    missing = [name for name in names if name not in tensors]
    if missing:
        names_text = ", ".join(tensors) or "none"
        raise BadRequest(f"inputs are missing: {', '.join(missing)}; given: {names_text}")
    lengths = {len(values) for values in tensors.values()}
    if len(lengths) != 1:
        raise BadRequest("all inputs need the same number of elements")
    return [dict(zip(tensors, row, strict=True)) for row in zip(*tensors.values(), strict=True)]


def _texts(tensor: Any) -> list[str]:
    if tensor.datatype != "BYTES":
        raise BadRequest(f"input '{tensor.name}' is {tensor.datatype}; send BYTES")
    try:
        flat = tensor.as_numpy().ravel()
    except ValueError:
        raise BadRequest(
            f"input '{tensor.name}' has other elements than its shape {list(tensor.shape)} says"
        ) from None
    return [_text(tensor.name, value) for value in flat]


def _text(name: str, value: Any) -> str:
    # A number is no text: `bytes(10**10)` would be as many zeros, in memory.
    if isinstance(value, str):
        return value
    if not isinstance(value, bytes):
        raise BadRequest(f"input '{name}' holds {json.dumps(value, default=str)}; send texts")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"input '{name}' is not UTF-8: {error.reason}") from None


def _positive(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or value < 1:
        raise BadRequest("`max_tokens` is a whole number above 0")
    return value


def _response(payload: Any, queue: RequestQueue, responses: list[InferenceResponse]) -> Any:
    from uuid import uuid4

    from kserve import InferOutput, InferResponse

    service, release = queue.answerer.release.service, queue.answerer.release.digest
    if isinstance(payload, dict):
        return {
            "predictions": [
                {"text": g.answer.text, "label": g.answer.label, "response_id": g.response_id}
                for g in responses
            ]
        }
    values = {
        "text": [g.answer.text for g in responses],
        "label": [g.answer.label or "" for g in responses],
        "response_id": [g.response_id for g in responses],
    }
    outputs = [InferOutput(n, [len(v)], "BYTES", data=list(v)) for n, v in values.items()]
    identity = payload.id or uuid4().hex
    return InferResponse(identity, service, outputs, parameters={"release": release})


def _tensor(name: str) -> dict[str, object]:
    return {"name": name, "datatype": "BYTES", "shape": [-1]}
