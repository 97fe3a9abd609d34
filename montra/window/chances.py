"""What a run's own settings and crawls say about inferring destinations in it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from crawler.settings import CrawlSettings
from montra.monitors.settings import FleetSettings
from zone_store.attribution.chances import LAB, Chances
from zone_store.captures import CrawlRow

_Settings = TypeVar("_Settings", CrawlSettings, FleetSettings)


def chances_of(parameters: dict[str, Any], crawls: Sequence[CrawlRow]) -> Chances:
    """Return the chances of a run: how late departures are noticed follows from its settings and its crawls.

    A node counts as gone after `gone_after` crawls in a row without answer (the first of which it may have answered
    before it left) and one more check; its monitor then asks twice itself. Crawls are of unequal length, so the time
    between earliest and latest is half a crawl more than one. A merged run has the settings of its first source.
    """
    merged = parameters.get("merged", ())
    settings = merged[0].get("parameters", {}) if merged else parameters
    crawl = _filled(CrawlSettings, settings.get("crawl", {}))
    fleet = _filled(FleetSettings, settings.get("monitors", {}))
    if not crawls:
        return LAB
    every_s = max(crawl.pause_s, statistics.median(row.seconds for row in crawls))
    doubted_s = 2 * fleet.reply_timeout_s
    fast_s = (crawl.gone_after - 1) * every_s + crawl.recheck_s + doubted_s
    return LAB._replace(noticed_s=(fast_s, fast_s + 1.5 * every_s), doubted_s=doubted_s)


def _filled(kind: type[_Settings], values: object) -> _Settings:
    """Return settings from a manifest, the defaults where it names none or has another version's."""
    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, ValueError):
        return kind()
