"""Which part of an answer a metric judges."""

from __future__ import annotations

from tidemill.answer import Answer


def compared_texts(reference: Answer, answer: Answer) -> tuple[str, str]:
    """The expected and the predicted text: labels where the reference has one, else texts.

    A missing label is the empty string, so that an unreadable answer is never right by accident.
    """
    if reference.label is not None:
        return reference.label.strip(), (answer.label or "").strip()
    return reference.text.strip(), answer.text.strip()
