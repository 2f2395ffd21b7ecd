"""`python -m tests.house`: the review's table for this tree, and where each figure comes from."""

from __future__ import annotations

import argparse
import json
import sys

from tests.house.figures import LISTS, Figures, measure

REVIEW = {
    "files": "415",
    "lines": "45.4k",
    "module lines: median / p90 / max": "94 / 207 / 365",
    "function lines: median / p90 / max": "7 / 19 / 50",
    "returns typed": "100 %",
    "modules with docstring": "100 %",
    "comments per 100 lines": "0.7",
    "docstring lines per 100 lines": "8.7",
    "imports inside functions": "9.6 %",
    "public without docstring": "14 of 1,895",
    "complexity above 10": "52",
    "nesting of 4 or more": "20",
    "function names of one word": "86 %",
    "bare participles": "274 (9.5 %)",
    "story words": "12.9 %",
    "dict[str, Any]": "568",
    "assert isinstance": "13",
    "arrows up": "4 (as strings)",
    "_private imports across packages": "11 modules do",
}
"""What the review measured at commit 64a6792."""


def rows(figures: Figures) -> dict[str, str]:
    """The table: what was measured, and its figure as text."""
    f = figures
    return {
        "files": f"{f.files:,}",
        "lines": f"{f.lines:,}",
        "module lines: median / p90 / max": " / ".join(f"{n:g}" for n in f.module_lines),
        "function lines: median / p90 / max": " / ".join(f"{n:g}" for n in f.function_lines),
        "returns typed": f"{100 - f.percent('untyped_returns', f.functions):.1f} %",
        "modules with docstring": f"{100 - f.percent('silent_modules', f.files):.1f} %",
        "comments per 100 lines": f"{100 * f.comment_lines / f.lines:.1f}",
        "docstring lines per 100 lines": f"{100 * f.docstring_lines / f.lines:.1f}",
        "imports inside functions": f"{f.percent('inner_imports', f.imports):.1f} %",
        "public without docstring": f"{f.count('undocumented')} of {f.public:,}",
        "complexity above 10": f"{f.count('complex')}",
        "nesting of 4 or more": f"{f.count('nested')}",
        "function names of one word": f"{f.percent('one_word', f.named_functions):.0f} %",
        "bare participles": _share(f, "participles", f.named_functions),
        "story words": _share(f, "story_words", f.assigned),
        "dict[str, Any]": f"{f.count('loose_dicts')}",
        "assert isinstance": f"{f.count('asserted_types')}",
        "arrows up": f"{f.count('arrows_up')}",
        "_private imports across packages": f"{f.count('private_imports')}",
    }


def _share(figures: Figures, what: str, total: int) -> str:
    return f"{figures.count(what):,} ({figures.percent(what, total):.1f} %)"


def as_json(figures: Figures, lists: list[str]) -> str:
    """The figures, the length of every list, and the named lists whole."""
    values = {k: v for k, v in vars(figures).items() if k != "sites"}
    counts = {what: figures.count(what) for what in LISTS}
    sites = {what: [vars(site) for site in figures.sites[what]] for what in lists}
    return json.dumps({**values, "counts": counts, "sites": sites}, indent=1)


def main(arguments: list[str]) -> int:
    """Print the table, one or more lists, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.house", description=__doc__)
    parser.add_argument("--list", metavar="WHAT", action="append", default=[], choices=LISTS)
    parser.add_argument("--under", metavar="FOLDER", default="", help="this folder alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    figures = measure(under=options.under)
    if options.json:
        print(as_json(figures, options.list))
    elif options.list:
        print(*(site for what in options.list for site in figures.sites[what]), sep="\n")
    else:
        print(f"{'':36} {'here':>16} {'review':>16}")
        print(*(f"{k:36} {v:>16} {REVIEW[k]:>16}" for k, v in rows(figures).items()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
