"""The report: one file that needs nothing else, whatever it has to tell."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from tests.report.stories import GONE, HOSTILE, STORIES, answered, full, partial

from tidemill.report.build_facts import DatasetSummary
from tidemill.report.page import page, policy
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.sections import SECTIONS, render_sections, sections

VOID = {"meta", "br", "hr", "img", "link", "input"}
LARGEST = 1_500_000


class Parsed(HTMLParser):
    """Elements with their attributes; an element that is closed wrongly is noted."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


@pytest.fixture(params=list(STORIES))
def story(request: pytest.FixtureRequest) -> ReleaseFacts:
    return STORIES[request.param]()


def test_the_page_is_whole_html(story: ReleaseFacts) -> None:
    found = Parsed(page(story))

    assert found.wrong == []
    assert found.open == []


def test_an_id_names_one_thing_and_every_link_leads_to_one(story: ReleaseFacts) -> None:
    found = Parsed(page(story))
    ids = Counter(attributes["id"] for _, attributes in found.found if "id" in attributes)
    links = [one["href"] or "" for one in found.all("a")]

    assert [name for name, count in ids.items() if count > 1] == []
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_the_page_asks_nobody_for_anything(story: ReleaseFacts) -> None:
    found = Parsed(page(story))
    loads = [one for _, one in found.found for key in one if key in ("src", "srcset", "data")]
    handlers = [key for _, one in found.found for key in one if key.startswith("on")]

    assert loads == handlers == found.all("script", "link", "iframe", "object", "img", "form") == []
    assert not any("style" in one for _, one in found.found)  # the policy would drop it


def test_the_policy_lets_in_the_one_style_sheet_and_nothing_else() -> None:
    text = page(full())
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    wanted = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    said = next(
        one["content"] or ""
        for one in Parsed(text).all("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    )

    assert f"style-src 'sha256-{wanted}'" in said
    assert said == policy(style[1])
    assert said.startswith("default-src 'none';")
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_what_people_wrote_is_read_and_does_nothing() -> None:
    text = page(STORIES["hostile"]())
    found = Parsed(text)

    assert "<script" not in text
    assert HOSTILE in "".join(found.words)
    assert all(name in text for name in ("{{ 7*7 }}", "&lt;script&gt;"))


def test_a_reader_of_the_screen_hears_every_picture(story: ReleaseFacts) -> None:
    pictures = Parsed(page(story)).all("svg")

    assert all(one.get("role") == "img" and one.get("aria-label") for one in pictures)


def test_tables_have_headers_and_what_scrolls_takes_the_keyboard() -> None:
    text = page(full())
    found = Parsed(text)

    assert all(one.get("scope") in ("row", "col") for one in found.all("th"))
    assert text.count("<table") == text.count("<thead") > 5
    for one in found.all("div"):
        if one.get("class") == "scroll":
            assert one.get("tabindex") == "0"
            assert one.get("aria-label")


def test_headings_go_down_one_step_at_a_time(story: ReleaseFacts) -> None:
    levels = [int(tag[1]) for tag, _ in Parsed(page(story)).found if re.fullmatch("h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_lost_bytes_are_named_where_they_are_missed_and_the_rest_is_there() -> None:
    shown = {name: str(inside) for name, _, inside in render_sections(partial())}

    for name in ("confusion", "calibration", "latency", "failures", "dataset", "baseline"):
        assert GONE in shown[name], name
    assert "reaches 0.50" in shown["gates"]
    assert "0.80" in shown["metrics"]


def test_a_section_that_does_not_apply_is_left_out() -> None:
    names = {name for name, _, _ in render_sections(STORIES["empty"]())}

    assert not {"hops", "learning", "confusion"} & names
    assert {"gates", "provenance", "rollout", "limits"} <= names


def test_every_file_of_the_folder_is_a_section_with_a_place_of_its_own() -> None:
    orders = [one.ORDER for one in sections()]

    assert len(orders) == len(SECTIONS.names()) == len(set(orders))
    assert orders == sorted(orders)
    assert all(one.TITLE for one in sections())


def test_a_large_evaluation_still_makes_a_small_file() -> None:
    many = tuple(answered(n, f"label {n % 200}", f"label {(n * 7) % 200}") for n in range(20_000))
    labels = {"train": {f"label {n}": n + 1 for n in range(200)}}
    story = full()
    data = replace(story.data, summary=DatasetSummary(labels=labels))

    assert len(page(replace(story, answers=many, data=data)).encode()) < LARGEST


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_words_stand_out_from_the_page_as_wcag_asks(scheme: int) -> None:
    """4.5 to 1 for words, 3 to 1 for what is drawn (WCAG 2.2, 1.4.3 and 1.4.11)."""
    style = files("tidemill.report").joinpath("templates", "style.css").read_text("utf-8")
    rules = [dict(re.findall(r"--(\w+):([^;}]+)", one)) for one in re.findall(r":root{.*?}", style)]
    colours = rules[scheme]

    for name in ("text", "quiet", "good", "bad", "ink", "accent"):
        for ground in ("page", "panel"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    assert contrast(colours["soft"], colours["page"]) >= 3
    for share, words in ((0.38, "text"), (0.78, "page"), (1.0, "page")):
        shaded = mixed(colours["shade"], colours["panel"], share)
        assert contrast(colours[words], shaded) >= 4.5, share


def rgb(colour: str) -> list[float]:
    if "," in colour:
        return [float(part) for part in colour.split(",")]
    digits = colour.lstrip("#")
    wide = digits if len(digits) == 6 else "".join(c * 2 for c in digits)
    return [float(int(wide[place : place + 2], 16)) for place in (0, 2, 4)]


def mixed(over: str, under: str, share: float) -> str:
    pairs = zip(rgb(over), rgb(under), strict=True)
    return ",".join(str(share * a + (1 - share) * b) for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """The ratio of relative luminances (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [part / 255 for part in rgb(colour)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
