"""The words that this code has given up, and what it says instead.

One line for each: its mark, what kind of name, the old word, the new one.

- `refused`: the tree is clean of it, and a name that brings it back fails the suite.
- `waits`: it still stands in the tree. `python -m tests.house --list vocabulary` shows where, and
  `--list words_to_refuse` shows the lines of this table that can be marked `refused` now.

Kinds: `class` and `function` are whole names (underscores at the ends aside), `module` is the end
of a path, `word` is one word anywhere in the name of a class, function or module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.source import Module, Site

RETIRED = """
waits word making materialization
waits word makings materializations
refused word maker builder
refused word makers builders
waits word walking rollout
refused word herald lifecycle publisher
waits word teller inference event publisher
waits word purse budget
waits word rival baseline
refused word rivals baseline
waits word remark comment
waits word remarks comments
waits word shelf content store
waits word desk pull requests
waits word standing service status
waits word standings service statuses
waits word intake parsed batch
refused word arriving staging
refused word happening lifecycle kind
refused class Made BuildResult
waits class Line ProjectBuilder
refused class Bench BuildContext
waits class Change RolloutUpdate
waits class Scene RolloutContext
waits class Advance RolloutDecision
waits class Look evaluation
refused class Held ConditionResult
waits class Answered Prediction or AnswerRecord
waits class Decided TriggerDecision
waits class Known SpecSnapshot
refused class Item PlanEntry
refused class Told DigestInputs
waits class GitSide DesiredState
waits class LedgerSide RecordedState
waits class LiveSide ObservedState
waits class Consent Approval
waits class Taken IngestResult
waits class Ask InferenceRequest
waits class Given InferenceResponse
waits class Answerer Predictor
waits class Work RequestQueue
waits class Pieces TokenStream
refused class Ground SearchSpace
waits class Examiner CommitValidator
waits class Follower GitSync
waits class Pace RatingRate
waits function look reconcile or evaluate
waits function tend reconcile
waits function walk rollout_state
waits function told to_dict
waits function said message
waits function shown format_…
waits function take_in_rows backfill_row_index
waits function kept rollback_targets
waits function since health_since
waits function broken guardrail_breached
waits function blind no_data
waits function unjudged guardrails_pending
waits function strike guardrail_warning
waits function former release_of_same_specs
refused module tidemill/build pipeline
refused module tidemill/start init
refused module adapters/home home, at the top
refused module agreement approvals
refused module trace lineage/upstream
refused module forward lineage/downstream
refused module adapters/targets lineage/identifiers
refused module picture lineage/svg
refused module locking lockfile
refused module lock_proposal lock_pull_request
refused module adapters/proposals pull_requests
refused module owner lease_owner
refused module commits commit_reach
refused module spec_lines spec_blame
refused module row_meaning row_embeddings
refused module row_texts row_index
refused module search_memory answer_cache
refused module kafka_refusal connection_errors
refused module sides revisions
refused module react trigger_evaluation
refused module ledger/reach lineage_closure
refused module ledger/services service_metrics
refused module patience retry_policy
refused module landing merge_detection
refused module forge/page proposal_record
refused module forge/plain git_only
refused module here checkout_commit
refused module git/statements signed_statements
refused module refusals push_errors
refused module opening default_gates
refused module layering svg_layout
refused module engine/traffic ratings_needed
refused module engine/walk rollout_state
refused module engine/drift config_drift
refused module data/look file_profile
refused module data/nearest similar_rows
refused module starts release_starts
refused module serving/reach deployer_choice
refused module seeing observed_traffic
refused module telling inference_events
refused module work request_queue
refused module answering predictor
refused module examining commit_checks
refused module restoring restore_release
refused module operate stack
refused module serving/machine doctor
refused module serving/control rollout_process
refused module serving/cluster cluster_deployer
refused module serving/cache response_cache
refused module announce lifecycle_events
refused module arms traffic_metrics
refused module line builder
refused module known desired_state
refused module built recorded_state
refused module asked prompt_loading
refused module remembered cached_runtime
refused module cheap dry_run
refused module build/chain compression_chain
refused module arena candidate_evaluator
refused module sites references
refused module spec/words validation_messages
refused module shape document_validation
refused module later digest_compat
refused module documented render
refused module show display
waits module steering bring_out_release
refused module carry_out run_decision
refused module report/story release_facts
refused module report/words formatting
refused module find resolve_name
refused module figures template_values
refused module guess column_inference
refused module half bf16_export
refused module blocks int4_blocks
"""


@dataclass(frozen=True)
class Word:
    """One retired word."""

    refused: bool
    kind: str
    old: str
    instead: str


def words() -> tuple[Word, ...]:
    """The table above, line by line."""
    rows = (line.split(maxsplit=3) for line in RETIRED.strip().splitlines())
    return tuple(Word(mark == "refused", kind, old, new) for mark, kind, old, new in rows)


def retired_names(tree: Iterable[Module]) -> list[Site]:
    """Names that any word of the table fits, with what to say instead."""
    return [_site(word, site) for word, site in _hits(tree)]


def refused_names(tree: Iterable[Module]) -> list[Site]:
    """Names that a word marked `refused` fits."""
    return [_site(word, site) for word, site in _hits(tree) if word.refused]


def words_to_refuse(tree: Iterable[Module]) -> list[Site]:
    """Lines of the table that wait although the tree is clean of their word."""
    present = {word for word, _ in _hits(tree)}
    first = Path(__file__).read_text(encoding="utf-8").splitlines().index('RETIRED = """') + 2
    return [
        Site("tests/house/vocabulary.py", first + row, f"waits {word.kind} {word.old}")
        for row, word in enumerate(words())
        if not word.refused and word not in present
    ]


def _site(word: Word, site: Site) -> Site:
    return Site(site.path, site.line, f"{site.text}: not '{word.old}' but '{word.instead}'")


def _hits(tree: Iterable[Module]) -> Iterator[tuple[Word, Site]]:
    table = {(word.kind, word.old): word for word in words()}
    for module in tree:
        for kind, name, site in _names(module):
            whole = [(kind, end) for end in _ends(name)]
            parts = [("word", part) for part in _words_of(name)]
            yield from ((table[key], site) for key in (*whole, *parts) if key in table)


def _names(module: Module) -> Iterator[tuple[str, str, Site]]:
    """Kind, name and site of the module itself and of each class and function in it."""
    path = "/".join(part.strip("_") for part in module.name.split("."))
    yield "module", path, Site(module.path, 1, f"module {path}")
    for node in module.definitions:
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        yield kind, node.name.strip("_"), module.site(node, f"{kind} {node.name}")


def _ends(path: str) -> list[str]:
    """`a/b/c`, `b/c` and `c`."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _words_of(name: str) -> list[str]:
    """The words of the last part of a name, in lower case: `KServeDeployer`, `row_texts`."""
    last = name.rpartition("/")[2]
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", last)]
