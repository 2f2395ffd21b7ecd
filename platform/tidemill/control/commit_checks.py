"""Everything that is looked at before a commit may take effect: signatures, specs, plan, budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tidemill.adapters.git.mirror import Mirror
from tidemill.adapters.git.signatures import TrustedSigners
from tidemill.adapters.git.worktrees import Worktrees
from tidemill.engine.cost import BudgetLimits, Workload
from tidemill.engine.plan import PlanEntry
from tidemill.engine.spec_snapshot import SpecSnapshot
from tidemill.engine.sync import CommitVerdict, changes, over_budget, validate_commit
from tidemill.errors import SpecError, TidemillError
from tidemill.home import Home
from tidemill.planning.desired_state import desired_state
from tidemill.planning.recorded_state import recorded_state
from tidemill.spec.base import Budget
from tidemill.spec.load import Workspace, load


@dataclass(frozen=True)
class Examined:
    """What a commit came to."""

    judgement: CommitVerdict
    items: tuple[PlanEntry, ...] = ()
    """The plan; empty where the specs could not be read."""
    signer: str = ""
    """Who signed it and with which key."""
    former: Mapping[str, SpecSnapshot] = field(default_factory=dict)
    """The specs of the commit that was applied last."""


@dataclass(frozen=True)
class Examiner:
    """Looks at commits of a mirror on behalf of a home."""

    home: Home
    mirror: Mirror
    trees: Worktrees
    _read: dict[str, Workspace] = field(default_factory=dict, repr=False)
    """Worktrees do not change: one look reads each of them once."""

    def examine(self, sha: str, before: str | None) -> Examined:
        """Judge a commit after the one that was applied last; the specs are read only once the
        signatures are good. Raises ServiceError where the remote does not give the files."""
        signer, judgement = self._signatures(sha, before)
        if judgement.refusal:
            return Examined(judgement, signer=signer)
        self.trees.add(sha)
        try:
            workspace = self.workspace(sha)
            items, former = self.plan(workspace, before)
        except SpecError as error:
            problems = [
                replace(problem, path=self._inside(sha, problem.path)) for problem in error.problems
            ]
            return Examined(validate_commit(problems=problems), signer=signer)
        over = self._over(items, workspace)
        return Examined(validate_commit(over=over), items, signer, former)

    def workspace(self, sha: str) -> Workspace:
        """The specs of a commit; raises SpecError with all that stands against using them."""
        if sha not in self._read:
            problems = self.trees.unsupported_contents(sha, self.home.settings.git_folder)
            try:
                workspace = load(self.specs(sha))
            except SpecError as error:
                raise SpecError([*problems, *error.problems]) from None
            if problems:
                raise SpecError(problems)
            self._read[sha] = workspace
        return self._read[sha]

    def specs(self, sha: str) -> Path:
        """Where a commit's projects lie."""
        return self.trees.folder / sha / self.home.settings.git_folder

    def plan(
        self, workspace: Workspace, before: str | None
    ) -> tuple[tuple[PlanEntry, ...], dict[str, SpecSnapshot]]:
        """The plan against the ledger, and the specs that were applied last."""
        desired, former = desired_state(workspace), self._former(before)
        built = recorded_state(self.home)
        states = built.staleness(desired, former)
        return changes(desired, former, states, built.failed_assets), former

    def _former(self, before: str | None) -> dict[str, SpecSnapshot]:
        """Nothing where that commit cannot be had any more: then everything that steers is new."""
        if before is None:
            return {}
        try:
            self.trees.add(before)
            return desired_state(self.workspace(before))
        except TidemillError:
            return {}

    def _signatures(self, sha: str, before: str | None) -> tuple[str, CommitVerdict]:
        settings = self.home.settings
        if settings.signatures == "off":
            return "", CommitVerdict()
        signers = TrustedSigners.read(settings)
        commits = self.mirror.commits_between(sha, before)
        verified = [signers.verify_commit(self.mirror.folder, commit) for commit in commits]
        if not verified:  # the branch was set back to a commit that was let in before
            verified = [signers.verify_commit(self.mirror.folder, sha)]
        tip = next(signature for signature in verified if signature.commit == sha)
        signer = f"{tip.signer} ({tip.key})" if tip.signer else tip.key
        return signer, validate_commit(signatures=verified)

    def _inside(self, sha: str, path: Path) -> Path:
        """A path as the repository has it."""
        absolute, tree = Path.cwd() / path, self.trees.folder / sha
        return absolute.relative_to(tree) if absolute.is_relative_to(tree) else path

    def _over(self, entries: Sequence[PlanEntry], workspace: Workspace) -> list[str]:
        """What would go over its budget, by what earlier builds took."""
        workloads = [
            Workload(project.name, name, loaded.spec.kind, budget=_limits(loaded.spec.budget))
            for project in workspace.projects.values()
            for name, loaded in project.specs.items()
            if loaded.spec.budget
        ]
        kinds = sorted({workload.kind for workload in workloads})
        history = self.home.ledger.materialisations.build_costs(kinds) if workloads else []
        return over_budget(entries, workloads, history, self.home.settings.price_per_hour)


def _limits(budget: Budget) -> BudgetLimits:
    return BudgetLimits(budget.hours, budget.money)
