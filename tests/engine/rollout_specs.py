"""Rollout specs for tests: what a test does not say is filled in."""

from __future__ import annotations

from typing import Any

from tidemill.spec.rollout import Rollout

QUALITY = {"margin": 0.05, "alpha": 0.1, "expected_ratings": 150}
STEPS = [
    {"percent": 10, "hold": "1h"},
    {"percent": 50, "hold": "1h"},
    {"percent": 100, "hold": "1h"},
]


def spec(**fields: Any) -> Rollout:
    base = {
        "apiVersion": "tidemill/v1",
        "kind": "Rollout",
        "name": "walk",
        "of": "model",
        "judged_by": "check",
        "service": "support",
        "steps": STEPS,
    }
    return Rollout.model_validate({**base, **fields})
