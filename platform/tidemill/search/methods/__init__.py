"""Search methods: one file each, named as specs name it.

A method has `search(evaluator, rng)`: it scores candidates with `evaluator.score` until it has none
left or the budget is used up (`OverBudget` passes through it; it need not be caught). It does not
rank or decide, and it never sees a row that decides.
Optionally `REFLECTS = True` where it needs a reflection model.
"""
