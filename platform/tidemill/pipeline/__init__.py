"""Making assets: one module per kind, each with `build(spec, inputs, bench) -> Made`."""
