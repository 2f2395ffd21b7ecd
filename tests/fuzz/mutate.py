"""Structure-aware mutations: of a spec's tree, and of the bytes it is written in."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

from tests.fuzz.projects import projects, specs

WORDS = [
    *("", "~", "no", "1e999", "-1", "0", "1.5", "2h", "99999999999w", "..", "../x", "/etc/passwd"),
    *("a" * 300, "é", "\u202e", "\ud83d\ude00", "{{ x }}", "{% raw %}", "x\0y"),
    *("data", "reply-int8", "merge", "accuracy", "onnxruntime", "train.epochs", "2024-01-01"),
]  # fmt: skip
BYTES = [
    *(b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"&a ", b"*a", b"<<: ", b"!!python/name:os.system "),
    *(b"<<<<<<< HEAD\n", b"=======\n", b">>>>>>> x\n", b"---\n", b"...\n", b"? ", b"- ", b": "),
    *(b"|\n", b">-\n", b"'", b'"', b"[", b"]", b"{", b"}", b"#", b"%YAML 1.2\n", b"\r\n", b"\r"),
    *(b"\xc2\x85", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"9" * 5000, b"[" * 60, b"{a: " * 60),
    *(b"\n" * 50, b" " * 70, b"x" * 3000, b"name: ", b"kind: Model\n", b"apiVersion: "),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**18, max_value=10**400),
    st.floats(allow_nan=True),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=8,
)
Place = tuple[Any, Any]
"""A mapping or list, and a key or index of it."""


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, dict[str, bytes]]:
    """A project's name, and one to three of its files changed."""
    project = draw(st.sampled_from(sorted(projects())))
    files = draw(st.lists(st.sampled_from(specs(project)), min_size=1, max_size=3, unique=True))
    return project, {file: draw(_content(project, file)) for file in files}


@st.composite
def _content(draw: st.DrawFn, project: str, file: str) -> bytes:
    content = projects()[project][file]
    if file.endswith(".yaml") and draw(st.integers(0, 2)):
        content = draw(_tree(content, project))
        if draw(st.integers(0, 3)):
            return content
    for _ in range(draw(st.integers(1, 4))):
        content = draw(_bytes(content, project))
    return content


@st.composite
def _tree(draw: st.DrawFn, content: bytes, project: str) -> bytes:
    spec = yaml.safe_load(content)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(spec))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.integers(0, 5)):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[draw(st.sampled_from(WORDS) | st.text(max_size=6))] = draw(VALUES)
            case 1 | 2 if isinstance(holder, list):
                holder.extend([holder[key]] * draw(st.integers(1, 3)))
            case 3:
                holder[key] = [holder[key]] if draw(st.booleans()) else {"type": holder[key]}
            case 4:  # a part of another spec
                other = yaml.safe_load(projects()[project][draw(st.sampled_from(_yaml(project)))])
                there, name = draw(st.sampled_from(list(_places(other))))
                holder[key] = there[name]
            case _:
                holder[key] = draw(VALUES)
    return yaml.safe_dump(spec, allow_unicode=True, sort_keys=False).encode("utf-8", "replace")


def _yaml(project: str) -> list[str]:
    return [name for name in specs(project) if name.endswith(".yaml")]


def _places(value: Any) -> list[Place]:
    """Every key and index of a tree."""
    if isinstance(value, dict):
        own: list[Place] = [(value, key) for key in value]
        return own + [place for inner in value.values() for place in _places(inner)]
    if isinstance(value, list):
        own = [(value, index) for index in range(len(value))]
        return own + [place for inner in value for place in _places(inner)]
    return []


@st.composite
def _bytes(draw: st.DrawFn, content: bytes, project: str) -> bytes:
    at = draw(st.integers(0, len(content)))
    to = min(len(content), at + draw(st.integers(0, 40)))
    piece = draw(st.sampled_from(BYTES) | st.binary(max_size=8))
    match draw(st.integers(0, 4)):
        case 0:
            return content[:at] + piece + content[at:]
        case 1:
            return content[:at] + content[to:]
        case 2:
            return content[:at] + piece + content[to:]
        case 3:
            return content[:to] + content[at:]
        case _:
            other = projects()[project][draw(st.sampled_from(specs(project)))]
            return content[:at] + other[draw(st.integers(0, len(other))) :]
