"""Fine-tuning methods: one module each, named as a FineTune spec names it.

A method's module has, beside what every technique has (see `tidemill.catalog`):

- `FORM`: the form of what it saves, `adapter` or `safetensors`,
- `prepare(model, options, train, task) -> model`: the base with the weights to train unfrozen,
- `save(model, folder) -> None`: the trained weights as safetensors, without tokenizer or form.
"""
