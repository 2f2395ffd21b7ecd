"""Search methods: one file each, named as specs name it.

A method has `search(arena, rng)`: it tries candidates with `arena.score` until it has none left or
the budget is used up (`OverBudget` comes through it; it need not be caught). What it tried is what
it found: ranking and deciding are not its business, and it never sees a row that decides.
Optionally `REFLECTS = True` where it needs a reflection model.
"""
