"""Compression steps: one file each, named as specs name it; from one form of a model to the next.

A step module has `VERSION`, `KIND` (the kind of artefact it gives; `kind(options)` where options
decide) and

`compress(source, out, options, *, resolve, calibration, say) -> None`

which reads the model in `source` and writes a finished one, `form.json` included, into `out`, a
folder that does not exist yet. `resolve` finds an adapter's base by digest; `calibration` are
conversations of the train split, or None. Both folders lie beside each other in scratch, where an
ONNX export made for one step is found again by the next.
"""
