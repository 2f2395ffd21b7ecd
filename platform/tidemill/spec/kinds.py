"""The nine kinds of spec, by the name that `kind` gives them."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.spec.base import Spec
from tidemill.spec.compression import Compression
from tidemill.spec.dataset import Dataset
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.feedback import Feedback
from tidemill.spec.finetune import FineTune
from tidemill.spec.model import Model
from tidemill.spec.prompt import Prompt
from tidemill.spec.rollout import Rollout
from tidemill.spec.trigger import Trigger

KINDS: Mapping[str, type[Spec]] = {
    kind.__name__: kind
    for kind in (
        Model,
        Dataset,
        Prompt,
        FineTune,
        Compression,
        Evaluation,
        Feedback,
        Trigger,
        Rollout,
    )
}
"""In the order of the road from base model to users."""
