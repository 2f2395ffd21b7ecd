"""Fields that came after digests were in use: with their default they stay out of a digest."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tidemill.spec.base import AddedLater


def without_later(model: BaseModel, values: dict[str, object]) -> dict[str, object]:
    """`values`, the plain form of `model`, without fields marked `Later` that have their default.

    What was written before such a field existed keeps its digest; naming it changes the digest as
    any other field does.
    """
    present = dict(values)
    for name, info in type(model).model_fields.items():
        key, value = info.alias or name, getattr(model, name)
        if key not in present:
            continue
        if (
            any(isinstance(mark, AddedLater) for mark in info.metadata)
            and value == info.get_default()
        ):
            del present[key]
        else:
            present[key] = _strip_nested(value, present[key])
    return present


def _strip_nested(value: Any, plain: Any) -> Any:
    if isinstance(value, BaseModel) and isinstance(plain, dict):
        return without_later(value, plain)
    if isinstance(value, tuple) and isinstance(plain, list):
        return [_strip_nested(part, item) for part, item in zip(value, plain, strict=True)]
    return plain
