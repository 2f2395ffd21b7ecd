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
waits word herald lifecycle publisher
waits word teller inference event publisher
waits word purse budget
waits word rival baseline
waits word rivals baseline
waits word remark comment
waits word remarks comments
waits word shelf content store
waits word desk pull requests
waits word standing service status
waits word standings service statuses
waits word intake parsed batch
refused word arriving staging
refused word happening lifecycle kind
waits class Made MaterializeResult
waits class Line ProjectBuilder
waits class Bench BuildContext
waits class Change RolloutUpdate
waits class Scene RolloutContext
waits class Advance RolloutDecision
waits class Look evaluation
waits class Held ConditionResult
waits class Answered Prediction or AnswerRecord
waits class Decided TriggerDecision
waits class Known SpecSnapshot
waits class Item PlanEntry
waits class Told DigestInputs
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
waits class Ground SearchSpace
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
waits module tidemill/build pipeline
waits module tidemill/start init
waits module adapters/home home, at the top
waits module agreement approvals
waits module trace lineage/upstream
waits module forward lineage/downstream
waits module adapters/targets lineage/identifiers
waits module picture lineage/svg
waits module locking lockfile
waits module lock_proposal lock_pull_request
waits module adapters/proposals pull_requests
waits module owner lease_owner
waits module commits commit_reach
waits module spec_lines spec_blame
waits module row_meaning row_embeddings
waits module row_texts row_index
waits module search_memory answer_cache
waits module kafka_refusal connection_errors
waits module sides revisions
waits module react trigger_evaluation
waits module ledger/reach lineage_closure
waits module ledger/services service_metrics
waits module patience retry_policy
waits module landing merge_detection
waits module forge/page proposal_record
waits module forge/plain git_only
waits module here checkout_commit
waits module git/statements signed_statements
waits module refusals push_errors
waits module opening default_gates
waits module layering svg_layout
waits module engine/traffic ratings_needed
waits module engine/walk rollout_state
waits module engine/drift config_drift
waits module data/look file_profile
waits module data/nearest similar_rows
waits module starts release_starts
waits module serving/reach deployer_choice
waits module seeing observed_traffic
waits module telling inference_events
waits module work request_queue
waits module answering predictor
waits module examining commit_checks
waits module restoring restore_release
waits module operate stack
waits module serving/machine doctor
waits module serving/control rollout_process
waits module serving/cluster cluster_deployer
waits module serving/cache response_cache
waits module announce lifecycle_events
waits module arms traffic_metrics
waits module line builder
waits module known desired_state
waits module built recorded_state
waits module asked prompt_loading
waits module remembered cached_runtime
waits module cheap dry_run
waits module build/chain compression_chain
waits module arena candidate_evaluator
waits module sites references
waits module spec/words validation_messages
waits module shape document_validation
waits module later digest_compat
waits module documented render
waits module show display
waits module steering bring_out_release
waits module carry_out run_decision
waits module report/story release_facts
waits module report/words formatting
waits module find resolve_name
waits module figures template_values
waits module guess column_inference
waits module half bf16_export
waits module blocks int4_blocks
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
