"""Coverage-guided fuzzing of the YAML reader and the shapes behind it (libFuzzer through atheris).

Atheris is not among the project's dependencies; with it installed in some folder:

    pip install --target /tmp/atheris atheris
    PYTHONPATH=/tmp/atheris:. python -m tests.fuzz.atheris_loader -max_total_time=180

The corpus is its start; other arguments go to libFuzzer. It stops at any exception that is no
SpecError and writes the bytes to a file called crash-….
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tidemill.spec", "tidemill.errors", "yaml"]):
    from tidemill.errors import SpecError
    from tidemill.spec.document_validation import parse_spec
    from tidemill.spec.positions import parse

from tests.fuzz.projects import CORPUS, projects

SHOWN = Path("x.yaml")


def one(content: bytes) -> None:
    """Read a document and give it its shape."""
    with suppress(SpecError):
        parse_spec(parse(content, SHOWN), SHOWN)


def main() -> None:
    """Start libFuzzer on the corpus and the specs of all projects."""
    start = Path(tempfile.mkdtemp(prefix="tidemill-atheris-"))
    for number, path in enumerate(sorted(CORPUS.iterdir())):
        (start / f"corpus-{number}").write_bytes(path.read_bytes())
    for project, files in projects().items():
        for name, content in files.items():
            if name.endswith(".yaml"):
                (start / f"{project}-{name}").write_bytes(content)
    atheris.Setup([*sys.argv, str(start)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
