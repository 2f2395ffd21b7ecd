"""Hostile folders and files: each is told with its place, nothing hangs, memory stays bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.spec.conftest import COMPLETE, Write

from tidemill.cli import commands
from tidemill.errors import SpecError
from tidemill.spec.load import load
from tidemill.spec.positions import MAX_BYTES, MAX_PROBLEMS, MAX_VALUES
from tidemill.terminal.shell import run

ROLLOUT = COMPLETE["rollout.yaml"]
AT = "specs/support-chat/rollout.yaml"


def told() -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(Path("specs"))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
def test_what_is_no_ordinary_file_is_told_and_nobody_waits_for_it(chat: Write, kind: str) -> None:
    folder = chat(rollout_yaml=None)
    if kind == "pipe":
        os.mkfifo(folder / "rollout.yaml")
        wanted = f"{AT}:1: this is no ordinary file; put a file in its place"
    elif kind == "socket":
        os.mknod(folder / "rollout.yaml", 0o140644)
        wanted = f"{AT}:1: the file cannot be read: No such device or address"
    else:
        (folder / "rollout.yaml").symlink_to("/dev/zero")
        wanted = f"{AT}:1: the link leads out of specs; copy the file in"

    assert told()[0].startswith(wanted)


@pytest.mark.timeout(10)
def test_a_pipe_beside_projects_keeps_nobody_waiting(chat: Write) -> None:
    folder = chat()
    os.mkfifo(folder.parent / "x.yaml")

    assert told() == [
        "specs/x.yaml:1: the file stands beside projects, not in one; move it into a project's"
        " folder"
    ]


def test_a_folder_called_like_a_spec_is_told(chat: Write) -> None:
    folder = chat()
    (folder / "old.yaml").mkdir()

    assert told() == [
        "specs/support-chat/old.yaml:1: a folder whose name ends in .yaml; rename it to 'old'"
    ]


def test_links_in_a_circle_are_told(chat: Write) -> None:
    folder = chat(rollout_yaml=None)
    (folder / "rollout.yaml").symlink_to("other.yaml")
    (folder / "other.yaml").symlink_to("rollout.yaml")
    (folder.parent / "round").symlink_to("round")

    assert f"{AT}:1: the file cannot be read: Too many levels of symbolic links" in told()[-1]


def test_a_data_file_that_is_a_circle_of_links_is_told(chat: Write) -> None:
    folder = chat()
    (folder / "data" / "requests.jsonl").unlink()
    (folder / "data" / "requests.jsonl").symlink_to("requests.jsonl")

    assert "requests.yaml:6: 'path: data/requests.jsonl' names no file" in told()[0]


def test_a_file_that_vanishes_while_it_is_read_is_told(
    chat: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tidemill.spec.load as loader

    folder = chat()
    opened = loader._read_bounded

    def late(path: Path) -> bytes | None:
        if path.name == "rollout.yaml":
            (folder / "rollout.yaml").unlink(missing_ok=True)
        return opened(path)

    monkeypatch.setattr(loader, "_read_bounded", late)

    assert f"{AT}:1: the file cannot be read: No such file or directory" in "\n".join(told())


def test_a_file_that_grows_while_it_is_read_is_read_no_further(chat: Write) -> None:
    folder = chat()
    with (folder / "rollout.yaml").open("ab") as file:
        file.truncate(MAX_BYTES + 1)

    assert told()[0].startswith(f"{AT}:1: the file is larger than 1 MiB")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_nobody_may_read_is_told(chat: Write) -> None:
    folder = chat()
    folder.chmod(0)
    try:
        assert told()[0].startswith(
            "specs/support-chat:1: the folder cannot be read: Permission denied"
        )
    finally:
        folder.chmod(0o755)


def test_a_folder_that_vanishes_is_told(chat: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    chat()
    look = os.scandir

    def gone(path: Path) -> object:
        if str(path).endswith("support-chat"):
            raise FileNotFoundError(2, "No such file or directory")
        return look(path)

    monkeypatch.setattr(os, "scandir", gone)

    assert told() == [
        "specs/support-chat:1: the folder cannot be read: No such file or directory;"
        " check its permissions"
    ]


def test_names_that_are_one_name_elsewhere_are_told(chat: Write) -> None:
    folder = chat()
    (folder / "Rollout.yaml").write_text(ROLLOUT.replace("name: rollout", "name: second"))

    assert (
        f"{AT}:1: 'rollout.yaml' and 'Rollout.yaml' are one name on macOS and Windows;"
        " rename one of them"
    ) in told()


def test_a_file_name_that_is_no_text_is_told_and_can_be_printed(
    chat: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = chat()
    (folder / os.fsdecode(b"caf\xe9.yaml")).write_text("a: 1\n")
    code = run(commands, ["validate"])
    as_json = run(commands, ["validate", "--json"])
    out, err = capsys.readouterr()

    assert (code, as_json) == (1, 1)
    assert "specs/support-chat/caf .yaml:1: the name is not UTF-8; rename it" in err
    assert json.loads(out)["ok"] is False


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("owner: a\0b\n", f"{AT}:10: a control character; "),
        ("interval: " + "9" * 5000 + "\n", f"{AT}:10: '99999999999999999999…' is no finite"),
        (
            "keep_versions: 9223372036854775808\n",
            f"{AT}:10: '9223372036854775808' has more than 64",
        ),
        ("x" * 500 + ": 1\n", f"{AT}:10: a key of 500 characters; look for a ':'"),
        ("x" * 5000 + ": 1\n", f"{AT}:10: this is no YAML: "),
        ("driver: " + "x" * 200_000 + "\n", f"{AT}:10: 'driver: xxx"),
        ("labels:\n" + "  k: [a]\n" * 20, f"{AT}:12: 'k' is given twice"),
        (
            "labels:\n" + "".join(f"  k{n}: a\n" for n in range(MAX_VALUES)),
            "more than 50,000 values; keep data in files it names",
        ),
        ("labels: " + "{a: " * 100 + "}" * 100 + "\n", "nested more than 50 levels deep"),
        ("? " * 5000 + "\n", f"{AT}:10: "),
    ],
    ids=lambda text: text[:12].strip(),
)
def test_hostile_text_is_told_with_its_line_in_a_line(
    chat: Write, extra: str, message: str
) -> None:
    chat(rollout_yaml=ROLLOUT + extra)

    problems = told()
    assert any(message in problem for problem in problems), problems
    assert all(len(problem) < 1200 for problem in problems)
    assert len(problems) <= MAX_PROBLEMS + 1


HUGE = """
import resource, sys, time
from pathlib import Path
from tidemill.errors import SpecError
from tidemill.spec import check
from tidemill.spec.load import load

limit = 400 << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    load(Path("specs"))
except SpecError as error:
    print(error)
"""


def bomb() -> str:
    """Ten lists of ten names of the one before: ten thousand million words when spelt out."""
    lines = ["labels:", "  l0: &l0 [" + "lol, " * 10 + "]"]
    lines += [f"  l{n}: &l{n} [" + f"*l{n - 1}, " * 10 + "]" for n in range(1, 10)]
    return "\n".join(lines) + "\n"


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "what", ["a hundred megabytes", "a gigabyte", "an alias bomb", "a million aliases"]
)
def test_memory_stays_below_a_limit(chat: Write, what: str) -> None:
    folder = chat(rollout_yaml=ROLLOUT + bomb())
    message = f"{AT}:11: '&l0' is an anchor"
    if what.endswith(("byte", "bytes")):
        with (folder / "rollout.yaml").open("ab") as file:
            if what == "a gigabyte":  # more than the process may have
                file.truncate(1 << 30)
            else:
                file.write(b"# padding\n" * (10 << 20))
        message = f"{AT}:1: the file is larger than 1 MiB; keep data in files it names"
    elif what == "a million aliases":
        text = "labels: [" + "*a," * ((MAX_BYTES - 1000) // 3) + "]\n"
        (folder / "rollout.yaml").write_text(ROLLOUT + text)
        message = f"{AT}:10: '*a' is an alias; write the value out"
    found = subprocess.run([sys.executable, "-c", HUGE], capture_output=True, text=True)

    assert message in found.stdout, found.stderr[-2000:]
    assert found.returncode == 0
    assert len(found.stdout.splitlines()) <= MAX_PROBLEMS + 1


def test_a_template_that_asks_for_what_does_not_exist_is_told(chat: Write) -> None:
    chat(reply_j2="\n{{ request | shout }}\n")

    assert told() == [
        "specs/support-chat/reply.j2:2: this is no Jinja2 template: No filter named 'shout'.;"
        " fix it on this line or above"
    ]


def test_a_template_too_large_is_not_parsed(chat: Write) -> None:
    chat(reply_j2="x" * (MAX_BYTES + 1))

    assert told()[0].startswith("specs/support-chat/reply.j2:1: the file is larger than 1 MiB; ")
