"""The ledger: one SQL database with what was built, released, decided and observed.

Each concern has a store of its own over the same engine; `tidemill.ports` has the Protocols.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from tidemill.adapters.ledger.approvals import ApprovalLedger
from tidemill.adapters.ledger.assets import MaterialisationLedger
from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.ledger.decisions import TriggerDecisionLedger
from tidemill.adapters.ledger.events import EventLedger
from tidemill.adapters.ledger.feedback import FeedbackLedger
from tidemill.adapters.ledger.leases import LeaseLedger
from tidemill.adapters.ledger.lineage import LineageLedger
from tidemill.adapters.ledger.notifications import NotificationLedger
from tidemill.adapters.ledger.rollouts import RolloutLedger
from tidemill.adapters.ledger.service_metrics import ServiceMetrics
from tidemill.adapters.ledger.syncs import SyncLedger


@dataclass(frozen=True)
class Ledger:
    """All stores over one engine."""

    engine: Engine
    approvals: ApprovalLedger
    materialisations: MaterialisationLedger
    trigger_decisions: TriggerDecisionLedger
    events: EventLedger
    feedback: FeedbackLedger
    leases: LeaseLedger
    lineage: LineageLedger
    notifications: NotificationLedger
    rollouts: RolloutLedger
    service_metrics: ServiceMetrics
    syncs: SyncLedger

    @classmethod
    def open(cls, url: str) -> Ledger:
        """Connect, and create or migrate the tables; `sqlite://` lives in memory only.

        Raises StorageError where the URL cannot work, the database cannot be opened, or a newer
        version of Tidemill wrote it.
        """
        engine = open_engine(url)
        return cls(
            engine,
            ApprovalLedger(engine),
            MaterialisationLedger(engine),
            TriggerDecisionLedger(engine),
            EventLedger(engine),
            FeedbackLedger(engine),
            LeaseLedger(engine),
            LineageLedger(engine),
            NotificationLedger(engine),
            RolloutLedger(engine),
            ServiceMetrics(engine),
            SyncLedger(engine),
        )
