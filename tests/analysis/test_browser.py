"""The page in a real browser: wide and narrow, light and dark, on screen and in print.

Every figure is there, no text of a figure lies on another or is cut, axes have labels, nothing is wider than the
window, and nothing is asked for but the page. Set MONTRA_SCREENSHOTS to a folder to look at what was seen.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .browser import Tab, tab
from .conftest import Both

pytestmark = [pytest.mark.browser, pytest.mark.slow]

#: For each figure its name, texts that are cut by the figure's edge, pairs of texts that overlap, and axes' labels.
#: Texts are compared in the figure's own units by the boxes of their letters, turned ones by their turned boxes.
FIGURES = """
[...document.querySelectorAll("figure")].map(figure => {
  const svg = figure.querySelector("svg"), edge = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].filter(t => t.textContent.trim())
    .map(t => ({text: t.textContent.trim(), box: t.getBoundingClientRect()}));
  const slack = edge.width / 400, over = [], cut = [];
  for (const {text, box} of texts)
    if (box.left < edge.left - slack || box.right > edge.right + slack
        || box.top < edge.top - slack || box.bottom > edge.bottom + slack) cut.push(text);
  for (const [i, a] of texts.entries())
    for (const b of texts.slice(i + 1)) {
      const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      // a line's box is higher than its letters
      if (wide > slack && high > 0.3 * Math.min(a.box.height, b.box.height)) over.push([a.text, b.text]);
    }
  const labels = [...svg.querySelectorAll('[id*="matplotlib.axis"]')].map(axis =>
    [...axis.children].filter(g => g.id.includes("text_")).map(g => g.textContent.trim()).join(" "));
  return {name: figure.dataset.trace, shown: edge.width > 200 && edge.height > 100, texts: texts.length, cut, over,
          labels, caption: figure.querySelector("figcaption").textContent};
})
"""

#: Opens what is folded, but for the numbers behind figures and chapters.
UNFOLD = 'document.querySelectorAll("details.fold").forEach(fold => { fold.open = true; })'

#: Elements that reach beyond the window, but for those in a box that scrolls, and words that reach beyond their box.
TOO_WIDE = """
[...document.querySelectorAll("body *")].filter(e => {
  const box = e.getBoundingClientRect();
  const beyond = box.right > document.documentElement.clientWidth + 1;
  const spilt = e.matches(".card, figure, p, li, .badge") && e.scrollWidth > e.clientWidth + 1 && e.clientWidth;
  return box.width > 0 && (beyond || spilt) && !e.closest(".scroll, .canvas");
}).map(e => e.tagName + "." + e.className + ": " + e.textContent.trim().slice(0, 40))
"""

#: Texts of figures too pale to read on what is behind them: contrast of colours (WCAG 2), least first.
CONTRAST = """
(() => {
  const parts = c => c.match(/[0-9.]+/g).map(Number);
  const light = c => { const [r, g, b] = parts(c).map(v => v / 255).map(
    v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const paper = e => { while (e) { const c = getComputedStyle(e).backgroundColor;
    if (parts(c).length < 4 || parts(c)[3] > 0) return c; e = e.parentElement; } return "rgb(255, 255, 255)"; };
  const told = [...document.querySelectorAll("figure svg text, p, td, th, h1, h2, h3, li, figcaption, .badge")]
    .filter(e => e.textContent.trim() && e.getClientRects().length);
  return told.map(e => {
    const ink = getComputedStyle(e)[e.tagName === "text" ? "fill" : "color"];
    const [a, b] = [light(ink), light(paper(e.closest("svg") ? e.closest("figure") : e))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.trim().slice(0, 30)];
  }).sort((x, y) => x[0] - y[0])[0];
})()
"""


@pytest.fixture(scope="module")
def page(both: Both) -> Path:
    """The page about a run of each overlay."""
    return both.page


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    with tab(browser, tmp_path_factory.mktemp("browser")) as one:
        yield one


def wrong(figure: dict[str, Any]) -> bool:
    """Tell whether a figure cannot be read, or does not say what it shows."""
    said = figure["texts"] > 3 and figure["labels"] and figure["caption"].endswith(".")
    return bool(figure["cut"] or figure["over"]) or not (figure["shown"] and said)


@pytest.mark.parametrize(
    ("width", "dark", "media"),
    [
        (1280, False, ""),
        (1280, True, ""),
        (1800, False, ""),
        (390, False, ""),
        (390, True, ""),
        (688, False, "print"),
    ],
    ids=["desktop", "desktop dark", "side by side", "phone", "phone dark", "print"],
)
def test_the_page_can_be_read(page: Path, opened: Tab, width: int, dark: bool, media: str) -> None:
    opened.look(width, dark=dark, media=media)
    opened.requests.clear()
    opened.open(page)
    opened.picture(f"{page.stem}-{width}{'-dark' * dark}{media and '-' + media}")
    assert opened.requests == [page.resolve().as_uri()]  # nothing is asked for but the page
    written = sum(len(list(runs.glob("*.svg"))) for runs in page.parent.glob("*/analysis/figures"))
    written += len(list((page.parent / "both_files" / "figures").glob("*.svg")))
    for unfolded in (False, True):
        if unfolded:
            opened.ask(UNFOLD)
        assert opened.ask(TOO_WIDE) == []
        assert opened.ask("document.documentElement.scrollWidth") <= width
        if unfolded or media == "print":  # print shows figures that are folded on a screen
            figures = opened.ask(FIGURES)
            assert len(figures) == written >= 15
            assert [figure for figure in figures if wrong(figure)] == []
    contrast, text = opened.ask(CONTRAST)
    assert contrast >= 4.5, text


def test_folded_it_is_few_screens_long_and_a_link_unfolds_what_it_leads_to(page: Path, opened: Tab) -> None:
    opened.look(1280)
    opened.open(page)
    assert opened.ask("document.documentElement.scrollHeight") < 10 * 900
    assert opened.ask('document.querySelector("#run2-network h2").checkVisibility()') is False
    opened.ask("document.querySelector('nav a[href=\"#run2-network\"]').click()")
    assert opened.ask('document.querySelector("#run2-network h2").checkVisibility()') is True


def test_data_and_contents_are_one_click_away(page: Path, opened: Tab) -> None:
    opened.look(1280)
    opened.open(page)
    opened.ask(UNFOLD)
    opened.ask('document.querySelector("figure details summary").click()')
    assert opened.ask('document.querySelector("figure details table").getBoundingClientRect().height') > 20
    link = opened.ask('document.querySelector("figure details a[download]").href')
    assert link.startswith("data:text/csv;base64,")
    targets = opened.ask('[...document.querySelectorAll("nav a")].map(a => a.getAttribute("href"))')
    assert len(targets) > 15
    assert opened.ask(f"{targets}.every(t => document.querySelector(t))")


def test_it_prints(page: Path, opened: Tab) -> None:
    opened.look(1280)
    opened.open(page)
    printed = opened.pdf()
    assert printed.startswith(b"%PDF")
    assert 4 <= printed.count(b"/Type /Page\n") <= 40
