"""What a page says first: the numbers that matter, and how sure the rest is. Which those are, and in what words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from analysis.page.sections import Section
from analysis.quantity import Quantity


class Highlight(NamedTuple):
    """A number worth a card: its chapter, its names (the first that is told) with words below it, a column's title.

    A column without a title is not shown where runs are compared.
    """

    chapter: str
    names: Mapping[str, str]
    title: str


HIGHLIGHTS = (
    Highlight(
        "traffic",
        {"lookups_a_minute_corrected": "lookups, with those missed", "lookups_a_minute": "lookups, as captured"},
        "Lookups a minute",
    ),
    Highlight("trust", {"capture_rate": "of lookups captured"}, "Captured"),
    Highlight("traffic", {"keys": "keys asked for"}, "Keys"),
    Highlight("traffic", {"requesters": "requesters"}, "Requesters"),
    Highlight("network", {"population": "nodes in the zone at once"}, "Nodes"),
    Highlight("network", {"crawl_completeness": "of listed nodes found by a crawl, at most"}, ""),
    Highlight("traffic", {"monitored_share": "of nodes' time monitored"}, "Node time monitored"),
    Highlight("imbalance", {"nodes_gini": "Gini coefficient of nodes' load"}, "Gini of load"),
)

COVERAGE = (
    Highlight("traffic", {"monitored_share": "of known nodes' time monitored"}, ""),
    Highlight("network", {"crawl_completeness": "of listed nodes found by a crawl, at most"}, ""),
    Highlight("traffic", {"mean_confidence": "mean confidence of destinations"}, ""),
)
"""What else tells how far to trust a run, of other chapters."""

FIRST = {"traffic": "rates", "imbalance": "load"}
"""The figure of a chapter that is shown at once of a run among others."""


class Part(NamedTuple):
    """A piece of a sentence: words, or a number of a chapter."""

    words: str = ""
    chapter: str = ""
    number: Quantity | None = None


class Sentence(NamedTuple):
    """A sentence with numbers, "chapter.name" in braces; `untold` is said where the first of them is not told."""

    words: str
    untold: str = ""


SENTENCES = (
    Sentence(
        "This window captured {trust.capture_rate} of the lookups whose truth is known; rates called corrected are "
        "divided by that.",
        "What this window missed was not measured: rates are of captured lookups, the least that there were.",
    ),
    Sentence("Of its own lookups that it captured it named the right destination of {trust.canaries_inferred}."),
    Sentence("Monitors were visible for {traffic.monitored_share} of the time in which nodes of the zone were known."),
    Sentence("Users' lookups came at {traffic.lookups_a_minute}, as captured."),
    Sentence("Searches came at {traffic.searches_a_minute}, publishes at {traffic.publishes_a_minute}, as captured."),
    Sentence(
        "The zone held {network.population} at once. Of the stays that crawls can see, half were no longer than "
        "{network.stay_50_create}."
    ),
    Sentence(
        "The load of nodes has a Gini coefficient of {imbalance.nodes_gini}; hashing and chance alone would give "
        "{imbalance.nodes_hashing_gini}."
    ),
)

OVER = (
    Sentence(
        "{network.network_size_OVERLAY} of NETWORK are reachable at once in the whole network, by what "
        "{network.zones_OVERLAY} held in {network.windows_OVERLAY}."
    ),
    Sentence(
        "The load of the nodes of NETWORK has a mean Gini coefficient of {imbalance.OVERLAY_nodes_gini}; hashing and "
        "chance alone would give {imbalance.OVERLAY_nodes_hashing_gini}."
    ),
)
"""What is said of several runs together, for each OVERLAY, whose NETWORK is so called."""

_NUMBER = re.compile(r"\{(\w+)\.(\w+)\}")


def highlights(section: Section, chosen: Sequence[Highlight] = HIGHLIGHTS) -> list[tuple[str, Quantity, str]]:
    """Return the cards of a run: chapter, number and words; what is not told is left out."""
    found = ((one, told(section, one.chapter, one.names)) for one in chosen)
    return [(one.chapter, number, one.names[number.name]) for one, number in found if number and number.told]


def sentences(section: Section) -> list[list[Part]]:
    """Return the sentences about a section in pieces; those are left out of which a number is not told."""
    chosen = list(SENTENCES)
    if len(section.runs) > 1:
        overlays = sorted({one.run.manifest.overlay for one in section.runs})
        chosen = [_named(sentence, overlay) for overlay in overlays for sentence in OVER]
    pieces = [_pieces(section, sentence) for sentence in chosen]
    return [parts for parts in pieces if parts]


def _pieces(section: Section, sentence: Sentence) -> list[Part]:
    named = _NUMBER.findall(sentence.words)
    numbers = [section.number(chapter, name) for chapter, name in named]
    first = numbers[0]
    if not all(number is not None and number.told for number in numbers):
        return [Part(sentence.untold, named[0][0], first)] if sentence.untold and first is not None else []
    words = _NUMBER.sub("{}", sentence.words).split("{}")
    found = [Part(words[0])]
    for (chapter, _), number, after in zip(named, numbers, words[1:], strict=True):
        found += [Part(chapter=chapter, number=number), Part(after)]
    return found


def _named(sentence: Sentence, overlay: str) -> Sentence:
    words = sentence.words.replace("OVERLAY", overlay).replace("NETWORK", overlay.capitalize())
    return sentence._replace(words=words)


def compared(sections: Sequence[Section]) -> tuple[list[Highlight], list[list[tuple[str, Quantity | None]]]]:
    """Return the columns by which runs are compared, and a row of (chapter, number) for each."""
    columns = [one for one in HIGHLIGHTS if one.title]
    rows = [[told(section, one.chapter, one.names) for one in columns] for section in sections]
    kept = [i for i in range(len(columns)) if any(row[i] is not None for row in rows)]
    return [columns[i] for i in kept], [[(columns[i].chapter, row[i]) for i in kept] for row in rows]


def told(section: Section, chapter: str, names: Iterable[str]) -> Quantity | None:
    """Return the first of these numbers that a section tells, else the last that it has, None if it has none."""
    found = [number for name in names if (number := section.number(chapter, name)) is not None]
    return next((number for number in found if number.told), found[-1] if found else None)
