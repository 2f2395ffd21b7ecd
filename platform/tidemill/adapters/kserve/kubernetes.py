"""InferenceServices in a cluster, through the official Kubernetes client: read, and applied.

The client reads kubeconfigs, runs credential plugins and renews tokens, a pod's own too. It is
imported on the first connection: that takes most of a second.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tidemill.adapters.kserve.inference_service import ApiStatus, Manifest, StatusDetails
from tidemill.errors import MissingExtra, ServiceError

MANAGER = "tidemill"
"""Our field manager in server-side apply; fields of another manager are not taken over."""
_RESOURCE = {
    "group": "serving.kserve.io",
    "version": "v1beta1",
    "plural": "inferenceservices",
}
_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class InferenceServices:
    """The InferenceServices of one namespace; every call may be repeated."""

    def __init__(self, configuration: Any, namespace: str, timeout: float = 10.0) -> None:
        """`configuration` is a `kubernetes.client.Configuration`; `timeout` is in seconds."""
        from kubernetes.client import ApiClient, CustomObjectsApi

        configuration.retries = False  # the controller asks again at its next tick
        _strip_tokens(configuration)
        self.server, self.namespace, self.timeout = configuration.host, namespace, timeout
        self._objects = CustomObjectsApi(ApiClient(configuration))

    def get(self, name: str) -> Manifest | None:
        """One InferenceService; None where there is none. Raises ServiceError."""
        existing: Manifest | None = self._call(
            self._objects.get_namespaced_custom_object, name, may_be_missing=True
        )
        return existing

    def apply(self, manifest: Manifest) -> None:
        """Server-side apply; the same manifest again changes nothing. Raises ServiceError."""
        name = str(manifest["metadata"]["name"])
        self._call(
            self._objects.patch_namespaced_custom_object,
            name,
            body=manifest,
            field_manager=MANAGER,
            _content_type="application/apply-patch+yaml",
        )

    def _call(
        self, send: Callable[..., Any], name: str, *, may_be_missing: bool = False, **options: Any
    ) -> Any:
        """One request; gives the object, or None where it is missing and may be."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        address = {**_RESOURCE, "namespace": self.namespace, "name": name}
        try:
            return send(**address, _request_timeout=self.timeout, **options)
        except ApiException as error:
            if may_be_missing and _is_not_found(error):
                return None
            raise ServiceError(f"InferenceService '{name}': {self._error_text(error)}") from None
        except ValueError:  # of a header; its message shows the token
            raise ServiceError(
                f"InferenceService '{name}': the token in KUBECONFIG holds characters that no "
                "token has; renew it"
            ) from None
        except HTTPError as error:
            raise ServiceError(f"InferenceService '{name}': {self._no_answer(error)}") from None

    def _no_answer(self, error: object) -> str:
        return (
            f"the cluster at {self.server} does not answer ({error}); "
            "check KUBECONFIG and the network"
        )

    def _error_text(self, error: Any) -> str:
        """Cause and way out of an error, by HTTP status."""
        message = str(_status_object(error).get("message") or str(error.body or "")[:200]).strip()
        match error.status:
            case 0:  # TLS
                return self._no_answer(str(error.reason).replace("\n", " "))
            case 401:
                way_out = "renew the token in KUBECONFIG"
                return f"the cluster rejected the credentials ({message}); {way_out}"
            case 403:
                return (
                    f"not allowed ({message}); give the account get and patch on "
                    f"inferenceservices.serving.kserve.io in '{self.namespace}' "
                    "(infra/kustomize/base)"
                )
            case 404:
                return f"the cluster has no such kind ({message}); install KServe 0.20 or later"
            case 409:
                return (
                    f"another field manager owns fields of it ({message}); let one tool apply it: "
                    "remove the fields there, or use `apply: {mode: render-to-git}`"
                )
            case 422 | 400:
                return (
                    f"the cluster refuses the manifest ({message}); see `tidemill rollout render`"
                )
            case _:
                return f"the cluster says {error.status} ({message}); it is tried again"


def connect(
    kubeconfig: Path | None, namespace: str | None = None, pod: Path = _POD
) -> InferenceServices | None:
    """The configured cluster, or the one this pod runs in; None where there is neither.

    `pod` is the folder of a pod's service account. Raises ServiceError where a kubeconfig or a
    service account is there and cannot be used.
    """
    if kubeconfig is not None:
        return _from_file(kubeconfig, namespace)
    if (pod / "token").is_file() and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _in_pod(pod, namespace)
    return None


def _new_configuration() -> Any:
    try:
        from kubernetes.client import Configuration
    except ImportError:
        raise MissingExtra("kubernetes", "serve") from None
    return Configuration()


def _strip_tokens(configuration: Any) -> None:
    """Have tokens without the line end that a token file has, also after they are renewed."""
    renew = configuration.refresh_api_key_hook

    def strip(renewed: Any) -> None:
        if renew is not None:
            renew(renewed)
        renewed.api_key = {name: token.strip() for name, token in renewed.api_key.items()}
        renewed.refresh_api_key_hook = strip  # to renew sets the client's own again

    configuration.refresh_api_key_hook = strip


def _in_pod(folder: Path, namespace: str | None) -> InferenceServices:
    configuration = _new_configuration()
    from kubernetes.config import ConfigException
    from kubernetes.config.incluster_config import InClusterConfigLoader

    try:
        loader = InClusterConfigLoader(str(folder / "token"), str(folder / "ca.crt"))
        loader.load_and_set(configuration)
        own = (folder / "namespace").read_text().strip()
    except (ConfigException, OSError) as error:
        raise ServiceError(
            f"this pod's service account in {folder} cannot be used ({error}); mount it whole, or "
            "set KUBECONFIG"
        ) from None
    return InferenceServices(configuration, namespace or own)


def _from_file(path: Path, namespace: str | None) -> InferenceServices:
    configuration = _new_configuration()
    from kubernetes.config import ConfigException, list_kube_config_contexts, load_kube_config

    try:
        with _logged_errors() as errors:
            load_kube_config(str(path), client_configuration=configuration, persist_config=False)
        if errors and not (configuration.api_key or configuration.cert_file):
            raise ValueError(errors[-1])
        context = list_kube_config_contexts(str(path))[1]["context"]
    except (
        ConfigException,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        yaml.YAMLError,
    ) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise ServiceError(
            f"the kubeconfig {path} cannot be used ({' '.join(str(cause).split())}); "
            "try `kubectl config view --minify`"
        ) from None
    return InferenceServices(configuration, namespace or context.get("namespace") or "default")


@contextmanager
def _logged_errors() -> Iterator[list[str]]:
    """Collects errors that the client logs: it logs a failed credential plugin and goes on."""
    messages: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield messages
    finally:
        root.removeHandler(handler)


def _status_object(error: Any) -> ApiStatus:
    """The `Status` of an error's body; empty where it is something else."""
    try:
        body: ApiStatus | None = json.loads(error.body or "")
    except ValueError:
        return ApiStatus()
    return body if isinstance(body, dict) else ApiStatus()


def _is_not_found(error: Any) -> bool:
    """True where the object is missing, not the whole kind."""
    status = _status_object(error)
    details = status.get("details") or StatusDetails()
    return bool(error.status == 404 and status.get("reason") == "NotFound" and details.get("name"))
