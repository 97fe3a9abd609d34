"""A page taken apart: its tags, texts and attributes, and what computed numbers on it are not traced."""

from __future__ import annotations

import importlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from markupsafe import Markup

from analysis.page.render import TEMPLATES

EMPTY_TAGS = {"meta", "br", "link", "img", "hr", "input"}
BEGIN, END = "\ue000", "\ue001"
TEMPLATE_TEXT = " ".join(path.read_text() for path in sorted(TEMPLATES.glob("*.j2")))


class Page(HTMLParser):
    """All of a page's tags, texts and attributes; checks that tags close in order.

    traces: identifiers that elements carry; untraced: texts with a digit that were computed (see `mark`) and stand in
    no element that carries one.
    """

    def __init__(self, source: Path | str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.traces: list[str] = []
        self.untraced: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._computed = 0
        self.feed(source.read_text() if isinstance(source, Path) else source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in EMPTY_TAGS:
            self._open.append((tag, any(name == "data-trace" for name, _ in attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        clean = [(name, re.sub(f"[{BEGIN}{END}]", "", value or "")) for name, value in attrs]
        self.attributes += [(tag, name, value) for name, value in clean]
        self.traces += [value for name, value in clean if name == "data-trace"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1][0] == "style":
            return
        self.text += re.sub(f"[{BEGIN}{END}]", "", data) + " "
        for part in re.split(f"([{BEGIN}{END}])", data):
            self._computed += (part == BEGIN) - (part == END)
            traced = any(traced for _, traced in self._open)
            # a heading's zone and a page's title are names, not numbers
            heading = any(tag in ("h1", "title", "nav") for tag, _ in self._open)
            if self._computed and not traced and not heading and re.search(r"\d", part):
                self.untraced.append(part)

    @property
    def ids(self) -> list[str]:
        return [value for _, name, value in self.attributes if name == "id"]


def words(text: str) -> str:
    return " ".join(text.split())


def mark(value: Any) -> Any:
    """Mark what a template prints, but for sentences that stand in the templates themselves."""
    if isinstance(value, str) and not isinstance(value, Markup) and " " in value and value in TEMPLATE_TEXT:
        return value
    return Markup(BEGIN) + value + Markup(END) if isinstance(value, str) else Markup(BEGIN) + str(value) + Markup(END)


def importable(name: str) -> bool:
    """Tell whether a dotted name leads to something that can be called."""
    parts = name.split(".")
    for i in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:i]))
        except ModuleNotFoundError:
            continue
        for part in parts[i:]:
            found = getattr(found, part, None)
        return callable(found)
    return False


def entries(page: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the file beside a page."""
    found: dict[str, dict[str, Any]] = json.loads(page.with_suffix(".json").read_text())["entries"]
    return found
