"""Making assets: one module per kind, each with `make(spec, inputs, bench) -> Made`."""
