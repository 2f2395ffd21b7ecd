"""Tidemill's specs as Dagster assets; `TidemillProject` adds them to any code location."""

from tidemill_assets.component import TidemillProject

__all__ = ["TidemillProject"]
