"""What people read in the pull request of a slice."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.engine.failure_cluster import FailureCluster
from tidemill.engine.statistics import wilson
from tidemill.planning.failure_clusters import FailureClusters
from tidemill.planning.slice_proposal import TEST_ROWS, SliceProposal

SHOWN = 20
"""Rows in the table."""
_CUT = 80


def slice_title(groups: FailureClusters, proposal: SliceProposal) -> str:
    """One line."""
    name = f"{groups.source.specs.project.name}/{groups.source.specs.evaluation.name}"
    return f"{name}: failures become the slice {proposal.name}"[:72]


def slice_markdown(
    groups: FailureClusters, cluster: FailureCluster, proposal: SliceProposal, trend: str
) -> str:
    """The pull request's text; `trend` is the cluster's, as people read it."""
    specs = groups.source.specs
    lines = [
        f"**{cluster.name}**: {len(cluster.failures)} failures of {cluster.people} users of "
        f"`{specs.service}` since {groups.source.since:%Y-%m-%d}, {cluster.share:.0%} of all; "
        f"change a week: {trend}. Compared by {groups.compared_by}.",
        "",
        *_rows(groups, proposal),
        "",
        *_table(proposal),
        "",
        *(f"Left out: {n} {_cell(reason)}." for reason, n in proposal.left_out.items()),
        "",
        *_gate(groups, proposal),
    ]
    return "\n".join(lines) + "\n"


def _rows(groups: FailureClusters, proposal: SliceProposal) -> Iterator[str]:
    specs, added = groups.source.specs, proposal.added_rows
    before = len(proposal.rows) - len(added)
    yield (
        f"The slice `{proposal.name}` of `{specs.evaluation.name}` names {len(proposal.rows)} test "
        f"rows: {before} were test rows before, {len(added)} come from users."
    )
    if not added:
        return
    trained = sum(row.split == "train" for row in added)
    yield (
        f"Several people or a reviewer vouch for the answers of users. The rows stand in "
        f"`{TEST_ROWS}`, without the user, and stay in Git whatever `retention_days` says. "
        f"{trained} of them are training rows now; from the merge on they are test rows, and "
        "nothing that asks the same is trained on. The live release may have learnt them."
    )
    yield (
        "They were chosen because they failed, so the figures over all test rows fall. Gates that "
        "compare with the live release pair the rows, and are as fair as before."
    )
    if specs.evaluation.rows is not None:
        yield (
            f"`rows: {specs.evaluation.rows}` judges a sample of the test rows, so some of these "
            "may not be judged."
        )


def _table(proposal: SliceProposal) -> Iterator[str]:
    yield "| question | answered | wanted |"
    yield "|---|---|---|"
    for row in proposal.rows[:SHOWN]:
        answered = row.failure.answered.label or row.failure.answered.text
        yield f"| {_cell(row.failure.question)} | {_cell(answered)} | {_cell(row.expected)} |"
    if len(proposal.rows) > SHOWN:
        yield f"\n… and {len(proposal.rows) - SHOWN} more in the file."


def _gate(groups: FailureClusters, proposal: SliceProposal) -> Iterator[str]:
    count, evaluation = len(proposal.rows), groups.source.specs.evaluation
    bound = wilson(count, count, evaluation.confidence).low
    yield "A gate may name the slice:"
    yield ""
    yield "```yaml"
    yield f"- {{type: at_least, metric: {evaluation.metrics[0]}, slice: {proposal.name}, value: …}}"
    yield "```"
    yield ""
    yield (
        f"The gate compares the lower {evaluation.confidence:.0%} bound. With all {count} rows "
        f"right it is {bound:.2f}, so a higher value could never pass."
    )


def _cell(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|").replace("`", "'")
    return line if len(line) <= _CUT else f"{line[: _CUT - 1]}…"
