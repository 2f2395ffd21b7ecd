"""A dataset's row, as files, prompts, models, metrics and feedback pass it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DatasetRow = Mapping[str, Any]
"""Column name to JSON value (text, number, boolean, list, object or null); read only.

The dataset decides which columns there are: `text` and `label`, `prompt` and `completion`,
`messages`, and those about a row, such as `id` and `subject`."""

MutableRow = dict[str, Any]
"""A `DatasetRow` that its dataset still prepares: steps set columns, some of them internal ones
whose names begin with `__`."""
