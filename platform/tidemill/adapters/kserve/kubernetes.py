"""The few calls of the Kubernetes API that an InferenceService needs, over plain HTTP."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tidemill.errors import ServiceError

MANAGER = "tidemill"
"""What server-side apply calls us; fields of another manager are not taken over."""
_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_GROUP = "apis/serving.kserve.io/v1beta1"


@dataclass(frozen=True)
class Access:
    """How to reach a cluster."""

    server: str
    namespace: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: ssl.SSLContext | bool = True


class Api:
    """InferenceServices of one namespace."""

    def __init__(self, access: Access, timeout: float = 10.0) -> None:
        self.access = access
        once = httpx.Limits(max_keepalive_connections=0)  # nothing is left open between two ticks
        self._client = httpx.Client(verify=access.verify, timeout=timeout, limits=once)

    def get(self, name: str) -> dict[str, Any] | None:
        """One InferenceService; None where there is none. Raises ServiceError."""
        answer = self._send("GET", self._path(name), name)
        if answer.status_code == 404 and _reason(answer) == "NotFound" and _named(answer):
            return None
        return self._checked(answer, name)

    def apply(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply; the same manifest again changes nothing. Raises ServiceError."""
        name = manifest["metadata"]["name"]
        answer = self._send(
            "PATCH",
            self._path(name),
            name,
            params={"fieldManager": MANAGER},
            content=json.dumps(manifest).encode(),
            headers={"content-type": "application/apply-patch+yaml"},
        )
        return self._checked(answer, name)

    def _path(self, name: str) -> str:
        return f"{_GROUP}/namespaces/{self.access.namespace}/inferenceservices/{name}"

    def _send(self, method: str, path: str, name: str, **more: Any) -> httpx.Response:
        headers = {**self.access.headers, "accept": "application/json", **more.pop("headers", {})}
        url = f"{self.access.server.rstrip('/')}/{path}"
        try:
            return self._client.request(method, url, headers=headers, **more)
        except httpx.HTTPError as error:
            raise ServiceError(
                f"InferenceService '{name}': the cluster at {self.access.server} does not answer "
                f"({error or type(error).__name__}); check KUBECONFIG and the network"
            ) from None

    def _checked(self, answer: httpx.Response, name: str) -> dict[str, Any]:
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        raise ServiceError(f"InferenceService '{name}': {_fault(answer, self.access.namespace)}")


def connect(kubeconfig: Path | None, namespace: str | None = None) -> Api | None:
    """The configured cluster, or the one this pod runs in; None where there is neither.

    Raises ServiceError where a kubeconfig is named that cannot be used.
    """
    if kubeconfig is not None:
        return Api(_from_file(kubeconfig, namespace))
    if (_POD / "token").is_file() and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return Api(_in_pod(_POD, namespace))
    return None


def _in_pod(folder: Path, namespace: str | None) -> Access:
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    server = f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"
    token = (folder / "token").read_text().strip()
    own = (folder / "namespace").read_text().strip()
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    return Access(server, namespace or own, {"authorization": f"Bearer {token}"}, context)


def _from_file(path: Path, namespace: str | None) -> Access:
    try:
        raw = yaml.safe_load(path.read_text())
        context = _named_in(raw, "contexts", raw["current-context"])["context"]
        cluster = _named_in(raw, "clusters", context["cluster"])["cluster"]
        user = _named_in(raw, "users", context["user"])["user"] if context.get("user") else {}
        server = cluster["server"]
        headers, verify = _headers(user, path.parent), _verify(cluster, user, path.parent)
    except (OSError, ValueError, KeyError, TypeError, StopIteration, yaml.YAMLError) as error:
        said = error.strerror if isinstance(error, OSError) else repr(error)
        raise ServiceError(
            f"the kubeconfig {path} cannot be used ({said}); try `kubectl config view --minify`"
        ) from None
    return Access(server, namespace or context.get("namespace") or "default", headers, verify)


def _named_in(raw: Mapping[str, Any], part: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in raw[part] if one["name"] == name)
    return found


def _headers(user: Mapping[str, Any], folder: Path) -> dict[str, str]:
    if "exec" in user:
        token = _from_plugin(user["exec"])
    elif "tokenFile" in user:
        token = (folder / user["tokenFile"]).read_text().strip()
    else:
        token = user.get("token", "")
    return {"authorization": f"Bearer {token}"} if token else {}


def _from_plugin(plugin: Mapping[str, Any]) -> str:
    """A token of a credential plugin, as clouds use them."""
    more = {one["name"]: one["value"] for one in plugin.get("env") or ()}
    command = [plugin["command"], *(plugin.get("args") or ())]
    done = subprocess.run(
        command, capture_output=True, check=False, timeout=60, env={**os.environ, **more}
    )
    if done.returncode:
        raise ValueError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")
    return str(json.loads(done.stdout)["status"]["token"])


def _verify(
    cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path
) -> ssl.SSLContext | bool:
    plain = not str(cluster["server"]).startswith("https")
    if plain or cluster.get("insecure-skip-tls-verify"):
        return False
    authority = _bytes(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate = _bytes(user, "client-certificate", folder)
    key = _bytes(user, "client-key", folder)
    if certificate and key:  # the standard library reads them from files only
        with tempfile.NamedTemporaryFile(suffix=".pem") as both:
            both.write(certificate + b"\n" + key)
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _bytes(part: Mapping[str, Any], key: str, folder: Path) -> bytes | None:
    if f"{key}-data" in part:
        return base64.b64decode(part[f"{key}-data"])
    return (folder / part[key]).read_bytes() if key in part else None


def _status(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _reason(answer: httpx.Response) -> str:
    return str(_status(answer).get("reason", ""))


def _named(answer: httpx.Response) -> bool:
    """True where the object is missing, not the whole kind."""
    return bool((_status(answer).get("details") or {}).get("name"))


def _fault(answer: httpx.Response, namespace: str) -> str:
    said = str(_status(answer).get("message") or answer.text[:200]).strip()
    match answer.status_code:
        case 401:
            return f"the cluster does not know us ({said}); renew the token in KUBECONFIG"
        case 403:
            return (
                f"not allowed ({said}); give the account get and patch on "
                f"inferenceservices.serving.kserve.io in '{namespace}' (infra/kustomize/base)"
            )
        case 404:
            return f"the cluster has no such kind ({said}); install KServe 0.20 or later"
        case 409:
            return (
                f"somebody else owns fields of it ({said}); let one tool apply it: take them out "
                "there, or use `apply: {mode: render-to-git}`"
            )
        case 422 | 400:
            return f"the cluster refuses the manifest ({said}); see `tidemill rollout render`"
        case _:
            return f"the cluster says {answer.status_code} ({said}); it is tried again"
