"""Every complaint about specs, verbatim: where, what, and the way out (in messages.txt)."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.spec.conftest import COMPLETE, Messages, Write

ROLLOUT = COMPLETE["rollout.yaml"]
QUALITY = COMPLETE["quality.yaml"]
REQUESTS = COMPLETE["requests.yaml"]
SMALL = COMPLETE["small.yaml"]
REPLY = COMPLETE["reply.yaml"]
TUNE = COMPLETE["tune.yaml"]
BASE = COMPLETE["base.yaml"]
STREAM = COMPLETE["stream.yaml"]
RETRAIN = COMPLETE["retrain.yaml"]
RUNS_PROMPT = RETRAIN.replace("run: [rollout]", "run: [reply]")

CASES: dict[str, dict[str, str | None]] = {}


def case(sentence: str, **changes: str | None) -> None:
    CASES[sentence] = changes


# --- the file ----------------------------------------------------------------------------------
case("an empty file", base_yaml="")
case("a file of comments", base_yaml="# nothing\n")
case("a second document", base_yaml=BASE + "---\na: 1\n")
case("a key twice", base_yaml=BASE + "name: other\n")
case("an anchor and an alias", base_yaml=BASE + "owner: &me a\ndescription: *me\n")
case("a merge key", base_yaml=BASE + "labels:\n  <<: {a: b}\n")
case("a YAML tag", base_yaml=BASE + "owner: !!python/name:os.system x\n")
case("a tab in the indentation", base_yaml=BASE + "labels:\n\ta: b\n")
case("a merge conflict", base_yaml="<<<<<<< HEAD\n" + BASE + "=======\n>>>>>>> theirs\n")
case("a missing quote", base_yaml=BASE + 'owner: "me\n')
case("a value with a colon", base_yaml=BASE + "description: note: a colon\n")
case("a value that starts with an at sign", base_yaml=BASE + "owner: @me\n")
case("a control character", base_yaml=BASE + "owner: a\x07b\n")
case("an endless number", base_yaml=BASE + "budget: {hours: .inf}\n")
case("a key that is a list", base_yaml=BASE + "[a, b]: c\n")
case("too deep a document", base_yaml=BASE + "labels: " + "[" * 60 + "]" * 60 + "\n")
case("a list instead of a spec", base_yaml="- a\n- b\n")

# --- the shape ---------------------------------------------------------------------------------
case("no apiVersion", base_yaml=BASE.replace("apiVersion: tidemill/v1\n", ""))
case("another apiVersion", base_yaml=BASE.replace("v1", "v2"))
case("no kind", base_yaml=BASE.replace("kind: Model\n", ""))
case("an unknown kind", base_yaml=BASE.replace("kind: Model", "kind: Modle"))
case("a kind in lower case", tune_yaml=TUNE.replace("FineTune", "finetune"))
case("a name with capitals", base_yaml=BASE.replace("name: base", "name: Base Model"))
case("an unknown key", rollout_yaml=ROLLOUT + "guardrail: []\n")
case(
    "an unknown key inside",
    rollout_yaml=ROLLOUT.replace("- percent: 10", "- percent: 10\n    holt: 1m"),
)
case(
    "an unknown key that is near nothing",
    rollout_yaml=ROLLOUT.replace("- percent: 10", "- percent: 10\n    zzz: 1m"),
)
case("an unknown key of a tagged shape", reply_yaml=REPLY + "  colum: x\n")
case("a missing key", rollout_yaml=ROLLOUT.replace("of: reply-int8\n", ""))
case("a missing key inside", reply_yaml=REPLY.replace("  column: answer\n", ""))
case("an unknown shape", reply_yaml=REPLY.replace("type: text", "type: txt"))
case("no shape", reply_yaml=REPLY.replace("  type: text\n", ""))
case("a word outside of a closed set", rollout_yaml=ROLLOUT + "driver: kserv-standard\n")
case("text for a number", tune_yaml=TUNE + "train:\n  epochs: many\n")
case("a fraction for a whole number", tune_yaml=TUNE + "train:\n  seed: 1.5\n")
case("text for a truth", tune_yaml=TUNE + "resume: perhaps\n")
case("a number for text", base_yaml=BASE.replace('"0.1.2"', "0.1"))
case("a number out of range", tune_yaml=TUNE + "train:\n  dropout: 1.5\n")
case("nothing where a value belongs", rollout_yaml=ROLLOUT.replace("of: reply-int8", "of:"))
case("a list for a mapping", tune_yaml=TUNE + "train: [1]\n")
case("text for a list", rollout_yaml=ROLLOUT + "guardrails: none\n")
case("an empty list", small_yaml=SMALL.replace("targets:\n  - runtime: onnxruntime", "targets: []"))
case(
    "a branch for a commit",
    base_yaml=BASE.split("source:")[0]
    + "source: {type: hub, repo: a/b, revision: main}\nlicence: MIT\n",
)
case("half a hash", base_yaml=BASE.replace("  sha256: b179c9523d", "  sha256: "))
case("a bad topic", stream_yaml=STREAM.replace("chat-feedback", "chat feedback"))
case("no duration", rollout_yaml=ROLLOUT + "interval: 5 minutes\n")
case("a bare number for a duration", rollout_yaml=ROLLOUT + "interval: 5\n")
case("a duration of ages", rollout_yaml=ROLLOUT + "interval: 99999999999w\n")
case(
    "ratios that do not add up",
    requests_yaml=REQUESTS + "split:\n  ratios: {train: 0.8, validation: 0.3, test: 0.1}\n",
)
case("a split without its key", requests_yaml=REQUESTS + "split: {by: group}\n")
case("steps that end below 100", rollout_yaml=ROLLOUT.replace("100", "90"))
case("steps that fall", rollout_yaml=ROLLOUT.replace("percent: 10\n", "percent: 100\n"))
case(
    "a guardrail with two limits",
    rollout_yaml=ROLLOUT
    + "guardrails:\n  - {signal: error_rate, at_most: 0.1, max_ratio_to_live: 2}\n",
)
case("a goal without a limit", small_yaml=SMALL + "goals:\n  - metric: accuracy\n")
case("a slice of nothing", quality_yaml=QUALITY.replace("    equals: refund\n", ""))
BY_COLUMN = "    column: intent\n    equals: refund\n"
case("a slice of a value in no column", quality_yaml=QUALITY.replace("    column: intent\n", ""))
case(
    "a slice of named rows with a column",
    quality_yaml=QUALITY.replace("equals: refund", "rows_file: data/requests.jsonl"),
)
case(
    "a slice of a file that is not there",
    quality_yaml=QUALITY.replace(BY_COLUMN, "    rows_file: slices/refunds.jsonl\n"),
)
case(
    "a slice of a table",
    quality_yaml=QUALITY.replace(BY_COLUMN, "    rows_file: refunds.csv\n"),
    **{"refunds.csv": "id\n"},
)
case(
    "a slice of a file with a line that names no row",
    quality_yaml=QUALITY.replace(BY_COLUMN, "    rows_file: refunds.jsonl\n"),
    **{"refunds.jsonl": '{"id": "a"}\n{"ids": "a"}\n'},
)
case("a certain confidence", quality_yaml=QUALITY + "confidence: 1\n")
case("both any and all", retrain_yaml=RETRAIN.replace("run:", "  all: [{type: spec_change}]\nrun:"))
case("a debounce that never ends", retrain_yaml=RETRAIN + "debounce: {quiet: 2h, max_wait: 1h}\n")
case("a score range upside down", stream_yaml=STREAM + "score_range: [5, 1]\n")
case("a dead letter to itself", stream_yaml=STREAM + "dead_letter: chat-feedback\n")
case("an engine for Hopper", small_yaml=SMALL + "  - {runtime: tensorrt-rtx, compute: [SM90]}\n")
case(
    "similar examples without an encoder",
    reply_yaml=REPLY + "technique: few-shot\nexamples: {source: requests, selection: similar}\n",
)

# --- techniques --------------------------------------------------------------------------------
case("an unknown metric", quality_yaml=QUALITY.replace("macro_f1", "macro_f2"))
case("an unknown cleaning step", requests_yaml=REQUESTS + "clean:\n  - type: stripp\n")
case("an unknown condition", retrain_yaml=RETRAIN.replace("new_rows", "newrows"))
case("an unknown option", retrain_yaml=RETRAIN.replace("at_least", "at_leest"))
case("an option out of range", retrain_yaml=RETRAIN.replace("at_least: 20", "at_least: 0"))
case("an option that is missing", retrain_yaml=RETRAIN.replace("      at_least: 20\n", ""))

# --- across files ------------------------------------------------------------------------------
case("a reference to nothing", rollout_yaml=ROLLOUT.replace("reply-int8", "repy-int8"))
case("a reference to the wrong kind", rollout_yaml=ROLLOUT.replace("reply-int8", "requests"))
case(
    "a reference when no such kind is there",
    rollout_yaml=ROLLOUT.replace("judged_by: quality", "judged_by: quality"),
    quality_yaml=None,
)
case("a name twice", other_yaml=BASE)
case(
    "a circle",
    tune_yaml=TUNE.replace("base: base", "base: other"),
    other_yaml=TUNE.replace("name: tune", "name: other").replace("base: base", "base: tune"),
)
case("a spec that needs itself", tune_yaml=TUNE.replace("base: base", "base: tune"))
case("a missing data file", requests_yaml=REQUESTS.replace("requests.jsonl", "request.jsonl"))
case("a missing folder", requests_yaml=REQUESTS.replace("data/", "dat/"))
case("a folder for a file", requests_yaml=REQUESTS.replace("data/requests.jsonl", "data"))
case(
    "a file outside of the project",
    requests_yaml=REQUESTS.replace("data/requests.jsonl", "../../etc/rows.csv"),
)
case("an ending nobody reads", requests_yaml=REQUESTS.replace("data/requests.jsonl", "reply.j2"))
case("a pointer that is none", requests_yaml=REQUESTS.replace("type: file", "type: dvc"))
case(
    "a source twice",
    requests_yaml=REQUESTS.replace(
        "  - type: feedback", "  - {type: file, path: data/requests.jsonl}\n  - type: feedback"
    ),
)
case("a kind of feedback the stream refuses", stream_yaml=STREAM + "kinds: [thumbs]\n")
case("few-shot without examples", reply_yaml=REPLY + "technique: few-shot\n")
case("zero-shot with examples", reply_yaml=REPLY + "examples: {source: requests}\n")
case("contextual without context", reply_yaml=REPLY + "technique: contextual\n")
case("reasoning nobody writes", reply_yaml=REPLY + "reasoning: why\n")
case("an input the template uses undeclared", reply_j2="{{ request }} {{ mood }}\n")
case("a template that is none", reply_j2="{{ request }}\n{% if %}\n")
case("an input that is the answer", reply_yaml=REPLY.replace("[request]", "[request, answer]"))
case(
    "an optimiser that validates on what it trains on",
    reply_yaml=REPLY + "optimise: {dataset: requests, train: validation}\n",
)
case(
    "an optimiser on the test split",
    reply_yaml=REPLY + "optimise: {dataset: requests, train: test}\n",
)
case(
    "an optimiser that measures speed",
    reply_yaml=REPLY + "optimise: {dataset: requests, metric: latency_p50}\n",
)
case(
    "a search method that is none",
    reply_yaml=REPLY + "optimise: {dataset: requests, method: bootstap}\n",
)
case(
    "a schema that is none",
    reply_yaml=REPLY.replace("type: text", "type: json\n  schema: {type: strin}"),
)
case("a causal model without a prompt", tune_yaml=TUNE.replace("prompt: reply\n", ""))
case("a classifier on completions", base_yaml=BASE + "task: sequence-classification\n")
case(
    "a sweep of nothing",
    tune_yaml=TUNE + "sweep: {metric: accuracy, space: {train.learning_rat: [1]}}\n",
)
case(
    "a sweep of a wrong value",
    tune_yaml=TUNE + "sweep: {metric: accuracy, space: {train.learning_rate: [0.1, 0]}}\n",
)
case("a linear head on a language model", tune_yaml=TUNE + "method: head\n")
HEAD = TUNE.replace("prompt: reply\n", "method: head\n")
ENCODER = BASE + "task: sequence-classification\n"
ROWS = REQUESTS.replace("format: completion", "format: classification")
TABLE = '{"request": "a", "answer": "b", "intent": "c", "text": "where is it", "label": "track"}\n'
LABELLED = {"base_yaml": ENCODER, "requests_yaml": ROWS, "data/requests.jsonl": TABLE}
case(
    "fields of the training loop with a method without steps",
    **LABELLED,
    tune_yaml=HEAD + "train: {epochs: 3, max_length: 64, seed: 1}\nearly_stop: null\n",
)
case(
    "options of lora with a linear head",
    **LABELLED,
    tune_yaml=HEAD + "options: {r: 8, C: 0}\n",
)
case(
    "a sweep of what a linear head does not look at",
    **LABELLED,
    tune_yaml=HEAD
    + "sweep: {metric: accuracy, space: {train.learning_rate: [0.1], options.C: [1, -1]}}\n",
)
case(
    "a full fine-tune of a linear head",
    **LABELLED,
    tune_yaml=TUNE.replace("prompt: reply\n", "method: full\n").replace("base: base", "base: top"),
    top_yaml=HEAD.replace("name: tune", "name: top"),
)
OTHERS = "candidates:\n  metric: accuracy\n  alternatives:\n"
case("a candidate with an unknown key", tune_yaml=TUNE + OTHERS + "    - {methd: full}\n")
case(
    "a first passing candidate without a limit",
    tune_yaml=TUNE + OTHERS + "    - {method: full}\n  choose: first_passing\n",
)
case(
    "a limit where all candidates are compared",
    tune_yaml=TUNE + OTHERS + "    - {method: full}\n  at_least: 0.8\n",
)
case(
    "a candidate of a field that is none",
    tune_yaml=TUNE + OTHERS + "    - {settings: {train.learning_rat: 1}}\n",
)
case(
    "a candidate of a wrong value",
    tune_yaml=TUNE + OTHERS + "    - {settings: {train.learning_rate: 0}}\n",
)
case(
    "candidates that change nothing, or twice the same",
    tune_yaml=TUNE + OTHERS + "    - {}\n    - {method: full}\n    - {method: full}\n",
)
case(
    "candidates beside a sweep",
    tune_yaml=TUNE
    + OTHERS
    + "    - {method: full}\nsweep: {metric: accuracy, space: {train.seed: [1]}}\n",
)
case(
    "a candidate for another task",
    **LABELLED,
    tune_yaml=HEAD + OTHERS + "    - {base: chat}\n",
    chat_yaml=BASE.replace("name: base", "name: chat"),
)
case("a candidate that its method cannot train", tune_yaml=TUNE + OTHERS + "    - {method: head}\n")
case("a longest training below its epochs", tune_yaml=TUNE + "early_stop: {max_epochs: 2}\n")
case(
    "calibration on the test split",
    small_yaml=SMALL + "calibration: {dataset: requests, split: test}\n",
)
case("one runtime twice", small_yaml=SMALL + "  - runtime: onnxruntime\n")
case("a compressed base without rows", small_yaml=SMALL.replace("of: tune", "of: base"))
case(
    "a gate on what is not measured",
    quality_yaml=QUALITY.replace("[accuracy, macro_f1]", "[macro_f1]"),
)
case("a gate on an unknown slice", quality_yaml=QUALITY.replace("slice: refunds", "slice: refund"))
case(
    "a slice twice",
    quality_yaml=QUALITY.replace(
        "slices:\n", "slices:\n  - {name: refunds, column: intent, equals: b}\n"
    ),
)
case("a metric twice", quality_yaml=QUALITY.replace("macro_f1", "accuracy"))
case(
    "a comparison without a baseline",
    quality_yaml=QUALITY.replace("baseline:\n  type: live\n  service: chat\n", "")
    .replace("type: at_least", "type: no_worse_than_baseline")
    .replace("    value: 0.8\n", ""),
)
case(
    "a label to forget without a baseline",
    quality_yaml=QUALITY.replace("baseline:\n  type: live\n  service: chat\n", "")
    + "forgetting:\n  margin: 0.1\n",
)
case(
    "few shots for an encoder",
    base_yaml=BASE + "task: sequence-classification\n",
    quality_yaml=QUALITY + "trivial_baselines:\n  few_shot: 2\n",
)
case("a baseline no rollout serves", quality_yaml=QUALITY.replace("service: chat", "service: chit"))
case("feedback about no service", stream_yaml=STREAM.replace("service: chat", "service: chit"))
case("a condition without a stream", retrain_yaml=RETRAIN.replace("of: stream\n", ""))
case(
    "a condition that can never hold",
    retrain_yaml=RETRAIN.replace("new_rows", "corrections"),
    stream_yaml=STREAM + "kinds: [thumbs]\n",
    requests_yaml=REQUESTS.replace("    of: stream", "    of: stream\n    kinds: [thumbs]"),
)
case("a trigger that searches a prompt without a search", retrain_yaml=RUNS_PROMPT)
case(
    "a trigger that searches a prompt of two models",
    retrain_yaml=RUNS_PROMPT,
    reply_yaml=REPLY + "optimise: {dataset: requests}\n",
    second_yaml=QUALITY.replace("name: quality", "name: second").replace("reply-int8", "tune"),
)
case(
    "a search that a classifier answers",
    reply_yaml=REPLY + "optimise: {dataset: requests, model: coder}\n",
    coder_yaml=BASE.replace("name: base", "name: coder") + "task: sequence-classification\n",
)
case("a trigger that moves traffic", retrain_yaml=RETRAIN + "approval: {before_percent: 50}\n")
case("a judge of something else", quality_yaml=QUALITY.replace("of: reply-int8", "of: tune"))
case("two rollouts of one service", second_yaml=ROLLOUT.replace("name: rollout", "name: second"))
case("two streams of one topic", second_yaml=STREAM.replace("name: stream", "name: second"))
case(
    "a local rollout of an engine",
    small_yaml=SMALL.replace("runtime: onnxruntime", "runtime: tensorrt-rtx\n    compute: [SM89]"),
)
case(
    "manifests for this machine",
    rollout_yaml=ROLLOUT + "apply: {mode: render-to-git, path: deploy}\n",
)
case(
    "manifests outside the repository",
    rollout_yaml=ROLLOUT
    + "driver: kserve-standard\napply: {mode: render-to-git, path: ../elsewhere}\n",
)
case("no way to apply", rollout_yaml=ROLLOUT + "apply: {mode: render}\n")
case("a shadow on a cluster", rollout_yaml=ROLLOUT + "driver: kserve-knative\nmode: shadow\n")
case(
    "a time for ratings that none judge",
    rollout_yaml=ROLLOUT.replace("- percent: 10\n", "- percent: 10\n    ratings_within: 1d\n"),
)
case(
    "a time for ratings with one release",
    rollout_yaml=ROLLOUT.replace("- percent: 100", "- percent: 100\n    ratings_within: 1d")
    + "quality: {}\n",
)
case("an agreement without a shadow", rollout_yaml=ROLLOUT + "min_agreement: 0.9\n")
case("an A/B test without ratings", rollout_yaml=ROLLOUT + "mode: ab\n")
case("ratings that never come", rollout_yaml=ROLLOUT + "quality: {metric: outcome}\n")
case(
    "a prompt that reads what is not there",
    reply_yaml=REPLY.replace("column: answer", "column: reply"),
)
case("a map of what is not there", requests_yaml=REQUESTS + "map: {text: requests}\n")
case("a key that is no column", requests_yaml=REQUESTS + "deduplicate: {key: question}\n")
case("a slice of no column", quality_yaml=QUALITY.replace("intent", "intend"))
case(
    "classification without labels", requests_yaml=REQUESTS.replace("completion", "classification")
)
case("a ranking without items", requests_yaml=REQUESTS.replace("completion", "ranking"))
case("items that nobody ranks", requests_yaml=REQUESTS + "catalogue: data/requests.jsonl\n")
case(
    "a ranking for a classifier",
    base_yaml=BASE + "task: sequence-classification\n",
    tune_yaml=TUNE.replace("requests", "visits").replace("prompt: reply\n", ""),
    visits_yaml=REQUESTS.replace("name: requests", "name: visits").replace(
        "completion",
        "ranking\ncatalogue: data/requests.jsonl\nmap: {history: request, label: intent}",
    ),
    quality_yaml=QUALITY.replace("requests", "visits").replace("intent", "label"),
)
case(
    "a recommender in eight bits",
    base_yaml=BASE + "task: sequence-classification\n",
    tune_yaml=TUNE.replace("requests", "visits").replace("prompt: reply", "method: ranker"),
    visits_yaml=REQUESTS.replace("name: requests", "name: visits").replace(
        "completion",
        "ranking\ncatalogue: data/requests.jsonl\nmap: {history: request, label: intent}",
    ),
    quality_yaml=QUALITY.replace("requests", "visits").replace("intent", "label"),
)
case(
    "an encoder that talks",
    reply_yaml=REPLY
    + "technique: few-shot\nexamples: {source: requests, selection: similar, encoder: base}\n",
)
case("an adapter that is not merged", small_yaml=SMALL.replace("merge", "quantise"))
case(
    "a step after the last one",
    small_yaml=SMALL.replace("merge\n", "merge\n  - type: quantise\n  - type: prune\n"),
)
case(
    "four bits for a classifier",
    base_yaml=BASE + "task: sequence-classification\n",
    tune_yaml=TUNE.replace("requests", "labelled").replace("prompt: reply\n", ""),
    labelled_yaml=REQUESTS.replace("name: requests", "name: labelled").replace(
        "completion", "classification\nmap: {text: request, label: intent}"
    ),
    small_yaml=SMALL.replace("merge\n", "merge\n  - {type: quantise, bits: 4}\n"),
    quality_yaml=QUALITY.replace("requests", "labelled").replace("intent", "label"),
)
case("personal data nobody finds", requests_yaml=REQUESTS + "privacy: {kinds: [name]}\n")
case("an unknown option of a method", tune_yaml=TUNE + "options: {rnak: 8}\n")
case("a name that would drive the terminal", base_yaml=BASE.replace(": base", ': "b\\e[2J\\nc"'))
case("a template too clever", reply_j2="{{ " + "(" * 5000 + " }}\n")

# --- the tests ---------------------------------------------------------------------------------
MESSAGES = Path(__file__).parent / "messages.txt"
"""A case's sentence, then its messages, indented; long lines are left whole."""


def golden() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    sentence = ""
    for line in MESSAGES.read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            found[sentence].append(line.strip())
        else:
            sentence = line
            found[sentence] = []
    return found


def test_every_case_has_its_messages() -> None:
    assert list(golden()) == list(CASES)


@pytest.mark.parametrize("sentence", CASES)
def test_a_mistake_is_told_with_place_cause_and_way_out(
    sentence: str, chat: Write, messages: Messages
) -> None:
    chat(**CASES[sentence])

    assert messages() == golden()[sentence]


def test_every_message_names_a_way_out() -> None:
    told = [message for messages in golden().values() for message in messages]

    assert [message for message in told if "; " not in message] == []


def test_the_complete_project_has_no_problem(chat: Write, messages: Messages) -> None:
    chat()

    assert messages() == []


def test_all_problems_of_all_files_come_at_once_in_the_order_of_files_and_lines(
    chat: Write, messages: Messages
) -> None:
    chat(
        rollout_yaml=ROLLOUT.replace("percent: 10\n", "percent: ten\n") + "colour: red\n",
        quality_yaml=QUALITY.replace("requests", "request"),
        base_yaml="name: base\nno: @\n",
    )

    assert [message.split(":")[:2] for message in messages()] == [
        ["specs/support-chat/base.yaml", "2"],
        ["specs/support-chat/quality.yaml", "5"],
        ["specs/support-chat/rollout.yaml", "8"],
        ["specs/support-chat/rollout.yaml", "10"],
    ]
