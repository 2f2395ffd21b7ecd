"""Helpers of all charts: literal text without math markup, PNG bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tidemill.errors import MissingExtra


@contextmanager
def literal_text() -> Iterator[None]:
    """Around the drawing of a figure: a label like `$5 - $%` is no formula, and a sign that the
    font lacks (an emoji) becomes a box without a warning.

    Raises MissingExtra without matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtra("matplotlib", "data") from error
    with mpl.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+", UserWarning)
        yield


def figure_to_png(figure: Any, dpi: int = 130) -> bytes:
    """The figure as it is drawn now; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()
