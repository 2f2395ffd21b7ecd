"""A KServe model server for one release: Open Inference Protocol v2 and the OpenAI routes.

python -m tidemill.serving.model_server --release-folder DIR --port N
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill import entry_points
from tidemill.errors import MissingExtra
from tidemill.pipeline.release_folder import ServedRelease
from tidemill.prompts import PromptProgram
from tidemill.runtimes import Runtime, open_runtime
from tidemill.serving.inference_events import InferenceEventPublisher, request_row
from tidemill.serving.predictor import Predictor
from tidemill.serving.request_queue import RequestQueue
from tidemill.settings import Settings

if TYPE_CHECKING:
    from tidemill.ports import Bus

GRACE = 5
PATIENCE = 30.0
"""Seconds the broker may take; events wait in a thread of their own."""
"""Seconds that running requests get when the server is told to stop."""


def load(
    release: ServedRelease,
    *,
    open_model: Callable[..., Runtime] = open_runtime,
) -> Predictor:
    """Check every byte, then load; raises TamperedArtefact, MissingArtefact or UnsafeFormat."""
    release.verify()
    program = _program(release) if release.prompt else None
    runtime = open_model(release.model.folder, resolve=release.artefact_folder)
    answerer = Predictor(release, runtime, program)
    if answerer.generates:  # a first generation maps memory and is many times slower
        runtime.answer([[{"role": "user", "content": "hello"}]], max_tokens=2)
    return answerer


def serve(queue: RequestQueue, host: str, port: int) -> None:
    """Listen until told to stop."""
    arguments, sys.argv = sys.argv, sys.argv[:1]  # kserve parses the command line when imported
    try:
        import kserve
        from fastapi import HTTPException
        from kserve import model_server as kserve_server
        from kserve.protocol.model_repository_extension import ModelRepositoryExtension
        from kserve.protocol.rest.server import RESTServer
    except ImportError as error:
        raise MissingExtra(error.name or "kserve", "serve") from None
    finally:
        sys.argv = arguments
    from tidemill.serving.openai import router
    from tidemill.serving.protocol import kserve_model

    class FixedModels(ModelRepositoryExtension):  # type: ignore[misc]
        """The models that were there at the start."""

        async def load(self, model_name: str) -> None:
            raise HTTPException(404, f"'{model_name}' is not loaded over HTTP; roll a release out")

        unload = load

    class HostServer(RESTServer):  # type: ignore[misc]
        """KServe's REST server on one address; by itself it always takes 0.0.0.0.

        Nobody loads or unloads a model through it: any client could take the service down in one
        request, and the server would go on saying that it is ready.
        """

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self.config.host = host
            self.model_repository_extension = FixedModels(self.dataplane.model_registry)

    kserve_server.RESTServer = HostServer
    kserve_server.app.include_router(router(queue))
    server = kserve.ModelServer(
        http_port=port,
        enable_grpc=False,
        enable_latency_logging=False,
        grace_period=GRACE,
    )
    for name in ("kserve.trace", "uvicorn.access"):  # a line or three for every request
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.setswitchinterval(0.001)  # a generating thread shall not hold up others' pieces for 5 ms
    # kserve expects a running loop's predecessor: Python 3.12 stops making one by itself.
    asyncio.set_event_loop(asyncio.new_event_loop())
    server.start([kserve_model(queue)])


def main(arguments: list[str] | None = None) -> None:
    """Check, load, serve; a person sees one line of what is wrong."""
    parser = argparse.ArgumentParser(prog=entry_points.MODEL_SERVER)
    parser.add_argument("--release-folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--brokers", help="Kafka servers; without them no events are written")
    options = parser.parse_args(arguments)
    with entry_points.exit_with_message():
        settings = Settings.read()
        answerer = load(ServedRelease.read(options.release_folder))
        teller = _teller(answerer, options.brokers, settings)
        if teller is not None:
            answerer.publish = lambda given: teller.publish(given, request_row(answerer, given))
        serve(RequestQueue(answerer), options.host, options.port)
        if teller is not None:
            teller.close()


def _program(release: ServedRelease) -> PromptProgram:
    assert release.prompt is not None
    encode = None
    if release.encoder:
        from tidemill.runtimes.sentence import Encoder

        encode = Encoder(release.encoder.folder).encode
    return PromptProgram.load(release.prompt.folder, encode=encode)


def _teller(
    answerer: Predictor, brokers: str | None, settings: Settings
) -> InferenceEventPublisher | None:
    if not brokers:
        return None

    def connect() -> Bus:
        from tidemill.adapters.kafka import connect as connect_bus

        return connect_bus(brokers, timeout=PATIENCE, security=settings.kafka)

    return InferenceEventPublisher(answerer.release, connect, settings.subject_key)


if __name__ == "__main__":
    main()
