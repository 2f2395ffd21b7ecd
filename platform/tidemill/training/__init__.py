"""How weights are changed: one module per fine-tuning method, and the loop they share.

A method's module has, beside what every technique has (see `tidemill.catalog`):

- `FORM`: the form of what it saves, `adapter` or `safetensors`,
- `prepare(model, options, train, task) -> model`: the base with the weights to train unfrozen,
- `save(model, folder) -> None`: the trained weights as safetensors, without tokenizer or form.
"""
