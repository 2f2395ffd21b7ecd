"""A Dagster component: projects of Tidemill in a code location that is already there."""

# No `from __future__ import annotations` here: Dagster resolves the fields from their annotations.
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import dagster as dg


@dataclass
class TidemillProject(dg.Component, dg.Resolvable):
    """Assets, checks and sensors of Tidemill projects, made from the specs in Git.

    Kafka, the ledger and secrets are read from the environment (TIDEMILL_BOOTSTRAP_SERVERS,
    TIDEMILL_LEDGER_URL, TIDEMILL_SUBJECT_KEY), never from this file.
    """

    specs: Annotated[
        str,
        dg.Resolver.default(
            description="Folder of the projects, from the Dagster project's root.",
            examples=["specs", "../models/specs"],
        ),
    ] = "specs"
    projects: Annotated[
        list[str] | None,
        dg.Resolver.default(
            description="Names of the projects to take in; all of them without it.",
            examples=[["support-chat"]],
        ),
    ] = None
    home: Annotated[
        str | None,
        dg.Resolver.default(
            description="Folder for Tidemill's state, from the Dagster project's root; "
            "TIDEMILL_HOME, or `.tidemill` beside the specs, without it.",
        ),
    ] = None
    key_prefix: Annotated[
        str | list[str] | None,
        dg.Resolver.default(
            description="Comes before every asset key and sensor name: for a code location that "
            "has assets of the same names, or this component twice.",
            examples=["tidemill"],
        ),
    ] = None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The projects' part of the code location."""
        from tidemill.home import Home
        from tidemill.settings import Settings
        from tidemill_assets.definitions import project_definitions

        root = context.project_root
        home = None if self.home is None else root / self.home
        settings = Settings.read(specs=root / Path(self.specs), home=home)
        prefix = [self.key_prefix] if isinstance(self.key_prefix, str) else self.key_prefix or []
        return project_definitions(Home(settings), self.projects or (), prefix)
