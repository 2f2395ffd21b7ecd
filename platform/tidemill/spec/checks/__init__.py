"""What one spec can get wrong about its neighbours: one file per kind, named as the kind.

Each has `check(spec, project) -> Iterator[Found]`. References and files are already checked for
every kind in `tidemill.spec.check`; these rules look a neighbour up and are silent where it is
missing, so that one mistake gives one message.
"""
