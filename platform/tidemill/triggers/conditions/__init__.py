"""Trigger conditions: one file each, named as a Trigger spec names it.

Contract of a condition module:

- `VERSION: int` and a docstring whose first line says when it holds,
- `class Options(Frozen)`, its options in the spec,
- `holds(options, state, now) -> ConditionResult`: pure; everything it may look at is in the state.
"""
