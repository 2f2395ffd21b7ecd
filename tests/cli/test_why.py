"""`tidemill why` as a person types it: text, JSON and a picture, in both directions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.adapters.grown import Grown, grow

from tidemill.cli import _why_text, main
from tidemill.engine.lineage import Edge
from tidemill.engine.provenance import ProvenanceLink
from tidemill.lineage.identifiers import Identifier
from tidemill.lineage.result import UpstreamLineage, VerifiedLink
from tidemill.lineage.svg import MAX_NODES, render_svg

Run = Callable[..., tuple[int, str, str]]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Grown:
    return grow(tmp_path_factory.mktemp("grown") / "shop")


@pytest.fixture
def run(grown: Grown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the verb: exit code, standard output and error."""
    for name, value in grown.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TIDEMILL_LEDGER_URL", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["why", *arguments])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def test_an_answer_reads_from_near_to_far_with_lines_rows_and_approvals(run: Run) -> None:
    code, out, _ = run("r2")
    lines = [line for line in out.splitlines() if line[:2].strip() in ("", "✓") and line[2] != " "]

    assert code == 0
    assert [line[2:15].strip() for line in lines] == [
        "answer",
        "release",
        "rollout step",
        "approval",
        "commit",
        "spec",
        "spec",
        "dataset",
        *["row"] * 5,
        "base model",
        "adapter",
        "evaluation",
        "seed",
        "tools",
    ]
    assert "specs/shop/rows.yaml:9 " in out
    assert "split.ratios" in out
    assert "Ben <ben@example.invalid>" in out
    assert "train feedback:said event c1 at chat.feedback/0/0: 'where is parcel 1" in out


def test_forward_counts_and_lists_what_came_of_it(run: Run, grown: Grown) -> None:
    code, out, _ = run("--forward", "answer:r1")

    assert code == 0
    assert f"in {grown.datasets[1][7:19]} (train)" in out
    assert "  artefacts     3: adapter 1, dataset 1, report 1" in out
    assert f"{grown.releases[1][7:19]}  chat" in out
    assert "1 answers live" in out
    assert "\n    r2  2026-03-01 12:00:00" in out


def test_json_is_the_same_in_both_directions(run: Run, grown: Grown) -> None:
    back = json.loads(run("r2", "--json")[1])
    forward = json.loads(run("--forward", "r1", "--json")[1])

    assert back["response_id"] == "r2"
    assert {"what", "name", "digest", "facts", "bytes_match"} <= back["links"][0].keys()
    shared = {"target", "direction", "edges", "notes"}
    assert shared <= back.keys() & forward.keys()
    assert forward["counts"]["releases"] == 1
    chain = {(edge["child"], edge["parent"]) for edge in back["edges"]}
    assert ("answer:r2", grown.releases[1]) in chain
    assert (grown.adapters[1], grown.datasets[1]) in chain
    assert ("event:c1", "answer:r1") in chain


def test_all_lists_every_answer_as_it_is_read(run: Run) -> None:
    text = run("--forward", "model:base", "--all")[1].splitlines()
    plain = run("--forward", "model:base", "--all", "--json")[1].splitlines()

    assert [line.split()[0] for line in text] == ["r2", "r1"]
    assert [json.loads(line)["response_id"] for line in plain] == ["r2", "r1"]


def test_all_without_forward_says_where_it_belongs(run: Run) -> None:
    code, _, err = run("r2", "--all")

    assert code == 1
    assert "--all needs --forward" in err


def test_changed_bytes_end_with_exit_code_one(run: Run, grown: Grown) -> None:
    found = json.loads(run("r2", "--json")[1])
    (folder,) = [link["folder"] for link in found["links"] if link["what"] == "evaluation"]
    path = Path(folder) / "file.txt"
    before = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"another one")
    try:
        code, out, _ = run("r2")
    finally:
        path.write_bytes(before)

    assert code == 1
    assert "✗ evaluation" in out
    assert run("r2", "--verify")[0] == 0


def test_an_unknown_id_names_the_ledger_it_is_not_in(run: Run, grown: Grown) -> None:
    code, out, err = run("r99")

    assert (code, out) == (1, "")
    assert f"the ledger at sqlite:///{grown.root}/home/ledger.db has no" in err


def test_a_picture_is_one_file_of_boxes_with_their_facts(run: Run, tmp_path: Path) -> None:
    code, _, err = run("r2", "--svg", str(tmp_path / "why.svg"))
    root = ElementTree.parse(tmp_path / "why.svg").getroot()
    labels = [text.text for text in root.iter(f"{SVG}text")]

    assert (code, err) == (0, f"wrote {tmp_path / 'why.svg'}\n")
    assert {"tuned", "rows", "r2", "chat"} <= set(labels)
    assert [g.get("class") for g in root.iter(f"{SVG}g")].count("t") == 1
    assert all(g.find(f"{SVG}title") is not None for g in root.iter(f"{SVG}g"))
    assert [path.name for path in tmp_path.iterdir()] == ["why.svg"]


def test_a_picture_forwards_has_the_answers_at_the_right(run: Run, tmp_path: Path) -> None:
    run("--forward", "event:c1", "--svg", str(tmp_path / "why.svg"))
    root = ElementTree.parse(tmp_path / "why.svg").getroot()
    places = {
        g.findall(f"{SVG}text")[1].text: float(str(g.find(f"{SVG}rect").get("x")))  # type: ignore[union-attr]
        for g in root.iter(f"{SVG}g")
    }

    assert places["r2"] == max(places.values())
    assert places["c1"] == min(places.values())


def test_nothing_that_somebody_wrote_breaks_the_picture() -> None:
    evil = "</text><script>alert(1)</script>\x00&"
    links = (
        VerifiedLink(ProvenanceLink("answer", evil, None, {"output": evil})),
        VerifiedLink(ProvenanceLink("release", evil, "sha256:r")),
    )
    edges = (Edge(f"answer:{evil}", "sha256:r", evil),)
    drawn = render_svg(UpstreamLineage(Identifier("answer", evil), links, edges))

    assert not list(ElementTree.fromstring(drawn).iter(f"{SVG}script"))
    assert "<script>" not in drawn


def test_a_picture_of_thousands_says_how_many_it_leaves_out() -> None:
    edges = tuple(Edge(f"sha256:{n}", "sha256:x") for n in range(2000))
    drawn = render_svg(UpstreamLineage(Identifier("artefact", "sha256:x"), (), edges))

    assert drawn.count("<g ") == MAX_NODES
    assert f"{2001 - MAX_NODES:,} more nodes are not drawn" in drawn


def test_long_and_unprintable_texts_stay_in_their_line() -> None:
    assert _why_text.truncate("a\nb\x1b[31m" + "x" * 50, 10) == "a b [31mx…"


def test_of_many_decisions_the_last_and_the_one_in_force_are_shown() -> None:
    facts = [{"decision": "hold", "reason": f"look {n}", "in_force": n == 1} for n in range(10)]
    steps = [ProvenanceLink("rollout step", f"{n} %", facts=facts[n]) for n in range(10)]
    lineage = UpstreamLineage(Identifier("answer", "r1"), tuple(map(VerifiedLink, steps)))
    shown = list(_why_text.upstream_lines(lineage))

    assert [line.rsplit(" ", 1)[-1] for line in shown[:-1]] == ["1", "6", "7", "8", "9"]
    assert "5 more decisions" in shown[-1]


def test_nothing_heavy_is_imported(grown: Grown) -> None:
    code = (
        "import sys\n"
        "from tidemill.cli import main\n"
        "try:\n    main(['why', 'r2'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'pandas', 'dvc', 'torch', 'pyarrow', 'dagster', 'transformers', 'numpy'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    import os

    environment = {**os.environ, **grown.environment}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_help_has_an_example(run: Run) -> None:
    code, out, _ = run("--help")

    assert code == 0
    assert "tidemill why --forward subject:" in out
