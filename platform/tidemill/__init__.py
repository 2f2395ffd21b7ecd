"""Tidemill: Git specs in, better models out; the stream of feedback turns the wheel."""

__version__ = "0.1.0"
