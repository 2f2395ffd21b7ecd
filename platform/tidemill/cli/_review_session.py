"""One person at a keyboard: shows a question, reads a verdict, and sends its event at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tidemill.cli._review_text import help_lines, item_lines
from tidemill.control.reviews import ReviewDesk, needs_text
from tidemill.errors import suggest
from tidemill.planning.review_items import ReviewItem
from tidemill.prompts.output_parsing import match_label
from tidemill.terminal.amounts import format_count

PROMPT = ">"


@dataclass
class ReviewSession:
    """Goes through the items; what is decided stays decided, however the session ends."""

    items: Sequence[ReviewItem]
    labels: Sequence[str]
    """Labels that the dataset has."""
    desk: ReviewDesk
    read: Callable[[str], str]
    """Asks for a line of text."""
    write: Callable[[str], None]
    decided: list[int] = field(default_factory=list)
    """Positions of the items with a verdict, in the order of the verdicts."""
    position: int = 0

    def run(self) -> None:
        """Ask until the items or the person's patience end."""
        shown = -1
        while self.position < len(self.items):
            if shown != self.position:
                self._show()
                shown = self.position
            command = self.read(PROMPT).strip()
            if command == "q":
                return
            if command == "u":
                shown = -1
            self._act(command)

    def summary(self) -> str:
        """How many verdicts were sent."""
        return f"{format_count(len(self.decided), 'verdict')} sent"

    def _show(self) -> None:
        progress = f"{self.position + 1} of {len(self.items)}"
        self.write("\n".join(item_lines(self.items[self.position], progress)))

    def _act(self, command: str) -> None:
        item = self.items[self.position]
        match command:
            case "":
                self.write("type a number, a label, or ? for help")
            case "?":
                self.write("\n".join(help_lines(self.labels)))
            case "s":
                self.position += 1
            case "x":
                self.desk.reject(item.question)
                self._decide()
            case "u":
                self._undo()
            case _:
                self._label(item, command)

    def _label(self, item: ReviewItem, command: str) -> None:
        label = self._chosen_label(item, command)
        if label is None:
            return
        text = None
        if needs_text(item.question, label):
            text = self.read(f"nobody wrote an answer for '{label}'; the right words:").strip()
            if not text:
                return
        self.desk.answer(item.question, label, text)
        self._decide()

    def _chosen_label(self, item: ReviewItem, command: str) -> str | None:
        """The label of a number or a text; a label that does not exist yet is asked about."""
        if command.isdecimal():
            if 0 < int(command) <= len(item.choices):
                return item.choices[int(command) - 1]
            self.write(f"there is no choice {command}")
            return None
        text = command.removeprefix("=").strip()
        known = match_label(text, [*self.labels, *item.choices])
        if known is not None or not text:
            return known
        question = f"'{text}' is no label so far ({suggest(text, self.labels)}); make it one? [y/N]"
        return text if self.read(question).strip().lower() in ("y", "yes") else None

    def _decide(self) -> None:
        self.decided.append(self.position)
        self.position += 1

    def _undo(self) -> None:
        if not self.decided:
            self.write("there is no verdict to undo")
            return
        self.position = self.decided.pop()
        self.desk.reopen(self.items[self.position].question)
