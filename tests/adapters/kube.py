"""A Kubernetes API server on loopback, as far as one InferenceService needs it, and KServe's part.

It behaves as the published API does for this resource: server-side apply with field managers
(https://kubernetes.io/docs/reference/using-api/server-side-apply/), `Status` objects for errors,
`metadata.generation` that rises with the spec, and a status that follows after some reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tidemill.adapters.kserve.schema import KNATIVE, MODE

_PATH = re.compile(
    r"^/apis/serving.kserve.io/v1beta1/namespaces/([a-z0-9-]+)/inferenceservices/([a-z0-9-]+)$"
)
TOKEN = "t0ken"


@dataclass
class Kube:
    """What the cluster holds, and how it is to misbehave."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    """Another manager that owns the spec."""
    applied: list[dict[str, Any]] = field(default_factory=list)
    """Every manifest that changed something."""
    slow: int = 0
    """Reads until the status follows a change."""
    forbidden: bool = False
    installed: bool = True
    """False: KServe's kinds are unknown."""
    stuck: str = ""
    """Why nothing ever becomes ready."""
    shares: int | None = None
    """What the candidate gets whatever was asked for."""
    webhook: str = ""
    """What the admission webhook says no to."""
    lock: Any = field(default_factory=Lock)

    def apply(self, key: tuple[str, str], manifest: Mapping[str, Any], manager: str) -> Any:
        owner = self.owners.get(key, manager)
        old = self.objects.get(key)
        if old and owner != manager and old["spec"] != manifest["spec"]:
            said = f'Apply failed with 1 conflict: conflict with "{owner}": .spec.predictor.model'
            return 409, status(409, "Conflict", said, key[1])
        if self.webhook:
            return 400, status(400, "BadRequest", f"admission webhook denied: {self.webhook}")
        if old and old["spec"] == manifest["spec"]:
            return 200, old
        generation = old["metadata"]["generation"] + 1 if old else 1
        metadata = {**manifest["metadata"], "namespace": key[0], "generation": generation}
        former = (old or {}).get("status") or {}
        self.objects[key] = {**manifest, "metadata": metadata, "status": former, "reads": self.slow}
        self.applied.append(dict(manifest))
        return (200 if old else 201), self.objects[key]

    def get(self, key: tuple[str, str]) -> Any:
        found = self.objects.get(key)
        if found is None:
            said = f'inferenceservices.serving.kserve.io "{key[1]}" not found'
            return 404, status(404, "NotFound", said, key[1])
        if found["reads"] <= 0:
            found["status"] = self.reconciled(found)
        found["reads"] -= 1
        return 200, found

    def reconciled(self, found: dict[str, Any]) -> dict[str, Any]:
        """The status that KServe's controller writes."""
        spec, marks = found["spec"], found["metadata"]["annotations"]
        ready = {"status": "False", "message": self.stuck} if self.stuck else {"status": "True"}
        conditions = [{"type": "Ready", **ready}]
        told: dict[str, Any] = {
            "observedGeneration": found["metadata"]["generation"],
            "url": f"http://{found['metadata']['name']}.example",
        }
        if spec.get("canary"):
            conditions.append({"type": "CanaryReady", **ready})
            told["canaryStatuses"] = [
                {
                    "name": one["predictor"]["name"],
                    "ready": not self.stuck,
                    "trafficPercent": self.share(one["trafficPercent"]),
                }
                for one in spec["canary"]
            ]
        percent = spec["predictor"].get("canaryTrafficPercent")
        if marks[MODE] == KNATIVE:
            share = self.share(100 if percent is None else percent)
            traffic = [{"revisionName": "r2", "latestRevision": True, "percent": share}]
            traffic += [{"revisionName": "r1", "percent": 100 - share}] if share < 100 else []
            told["components"] = {"predictor": {"latestReadyRevision": "r2", "traffic": traffic}}
        return {**told, "conditions": conditions}

    def share(self, asked: int) -> int:
        return asked if self.shares is None else self.shares


def status(code: int, reason: str, message: str, name: str = "") -> dict[str, Any]:
    """Kubernetes' error object."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": {"name": name, "kind": "inferenceservices"} if name else {},
        "code": code,
    }


@contextmanager
def serve(kube: Kube) -> Iterator[str]:
    """The server's address for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(lambda key: kube.get(key))

        def do_PATCH(self) -> None:
            size = int(self.headers["content-length"])
            body, query = self.rfile.read(size), parse_qs(urlsplit(self.path).query)
            if self.headers["content-type"] != "application/apply-patch+yaml":
                return self.send(415, status(415, "UnsupportedMediaType", "patch type"))
            manager = query["fieldManager"][0]
            return self.answer(lambda key: kube.apply(key, yaml.safe_load(body), manager))

        def answer(self, do: Any) -> None:
            place = _PATH.match(urlsplit(self.path).path)
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                return self.send(401, status(401, "Unauthorized", "Unauthorized"))
            if not kube.installed or place is None:
                return self.send(404, "404 page not found\n")
            if kube.forbidden:
                said = 'inferenceservices is forbidden: User "x" cannot patch resource'
                return self.send(403, status(403, "Forbidden", said, place[2]))
            with kube.lock:
                return self.send(*do((place[1], place[2])))

        def send(self, code: int, body: Any) -> None:
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(code)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(folder: Path, server: str, **user: Any) -> Path:
    """A file as `kubectl` writes it."""
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [
                    {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "llm"}}
                ],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": user or {"token": TOKEN}}],
            }
        )
    )
    return path
