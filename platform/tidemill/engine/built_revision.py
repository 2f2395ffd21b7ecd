"""Which artefacts were built from the specs of one revision, and which have to be built first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.engine.staleness import RecordedAsset

PROMPT = "Prompt"


@dataclass(frozen=True)
class BuiltRevision:
    """A project at one revision, with the records of all its revisions."""

    specs: Mapping[str, SpecSnapshot]
    """The specs of the revision, by name."""
    history: Mapping[str, Sequence[RecordedAsset]]
    """Records by spec name, newest first."""

    def artefact(self, name: str) -> str | None:
        """Digest of the newest artefact that was built from these specs, its own and those of all
        its inputs; None where there is none.

        Feedback that came later does not count: it makes an asset stale, not another version.
        """
        records = (r for r in self.history.get(name, ()) if self._fits(name, r))
        return next((record.artefact for record in records), None)

    def unbuilt(self, *names: str) -> tuple[str, ...]:
        """Names of the assets without such an artefact, among these and all their inputs, inputs
        first. Prompts are left out: they are built within seconds, where they are needed."""
        order = dict.fromkeys(asset for name in names for asset in self._closure(name))
        return tuple(asset for asset in order if self._lacks_artefact(asset))

    def closure(self, name: str) -> tuple[str, ...]:
        """A spec and everything that it is built from, inputs first."""
        return tuple(dict.fromkeys(self._closure(name)))

    def _closure(self, name: str) -> Iterator[str]:
        spec = self.specs.get(name)
        for parent in spec.inputs if spec else ():
            yield from self._closure(parent)
        yield name

    def _lacks_artefact(self, name: str) -> bool:
        spec = self.specs.get(name)
        is_prompt = spec is not None and spec.kind == PROMPT
        return not is_prompt and self.artefact(name) is None

    def _fits(self, name: str, record: RecordedAsset) -> bool:
        spec = self.specs.get(name)
        if spec is None or not spec.digest or record.spec_digest != spec.digest:
            return False
        return all(self._fits_input(parent, record.inputs.get(parent)) for parent in spec.inputs)

    def _fits_input(self, name: str, artefact: str | None) -> bool:
        builds = (r for r in self.history.get(name, ()) if r.artefact == artefact)
        return any(self._fits(name, record) for record in builds)
