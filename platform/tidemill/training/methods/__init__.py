"""Fine-tuning methods: one module each, named as a FineTune spec names it.

A method's module has, beside what every technique has (see `tidemill.catalog`):

- `FORM`: the form of what it saves, `adapter` or `safetensors`,
- `TASKS`, where it cannot train every task: the tasks it can.

The loop trains it step by step, with what `train`, `early_stop` and `watchdog` say:

- `prepare(model, options, train, task) -> model`: the base with the weights to train unfrozen,
- `save(model, folder) -> None`: the trained weights as safetensors, without tokenizer or form.

Or it fits a head to the frozen encoder at once, without steps:

- `fit(model, train, validation, options, pad=…, say=…) -> HeadFit`: the head for these rows,
- `TRAIN_FIELDS`: the fields of `train` that have an effect; a spec that sets another, or a rule of
  the loop, is refused.

A method with `RANKS = True` makes a recommender of a `ranking` dataset; it has `Options` and
`TRAIN_FIELDS`, and `fit` as `ranker` has it.
"""
