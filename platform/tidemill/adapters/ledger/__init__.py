"""The ledger: one SQL database that says what is, seen through one facet for each concern."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from tidemill.adapters.ledger.approvals import ApprovalLedger
from tidemill.adapters.ledger.assets import AssetLedger
from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.ledger.decisions import DecisionLedger
from tidemill.adapters.ledger.events import EventLedger
from tidemill.adapters.ledger.leases import LeaseLedger
from tidemill.adapters.ledger.lineage import LineageLedger
from tidemill.adapters.ledger.rollouts import RolloutLedger
from tidemill.adapters.ledger.syncs import SyncLedger


@dataclass(frozen=True)
class Ledger:
    """All facets over one engine."""

    engine: Engine
    approvals: ApprovalLedger
    assets: AssetLedger
    decisions: DecisionLedger
    events: EventLedger
    leases: LeaseLedger
    lineage: LineageLedger
    rollouts: RolloutLedger
    syncs: SyncLedger

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Connect and create what is missing; `sqlite://` lives in memory only."""
        engine = open_engine(url)
        return cls(
            engine,
            ApprovalLedger(engine),
            AssetLedger(engine),
            DecisionLedger(engine),
            EventLedger(engine),
            LeaseLedger(engine),
            LineageLedger(engine),
            RolloutLedger(engine),
            SyncLedger(engine),
        )
