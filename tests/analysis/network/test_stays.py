"""Stays put together from attachments: what is one stay, and how it ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.attachments import Attachments
from analysis.load import Run
from analysis.network.stays import End, Stays, left_of, stays_of
from zone_store.captures import Attachment, CrawlRow

from ..samples import TARGETS, Contents, at, run_of

HERE, THERE = 0x0A000001, 0x0A000002


def row(target: int, found: float, lost: float, reason: str, ip: int = HERE, monitor: int = 2000) -> Attachment:
    return Attachment(
        0, TARGETS[target], ip, 4000, TARGETS[target], 0x7F000001, monitor, at(found), lost_ns=at(lost), reason=reason
    )


def crawls(until: int, step: int = 60) -> list[CrawlRow]:
    """Crawls back to back."""
    return [
        CrawlRow(n + 1, at(begin), at(begin + step), 9, 9, 0, 0, 0, 9, 9, 0.0, 0.0, 0.0, 0.0)
        for n, begin in enumerate(range(0, until - step + 1, step))
    ]


def run_with(*rows: Attachment, minutes: int = 60, gaps: tuple[tuple[int, int], ...] = ()) -> Run:
    numbered = [replace(one, number=i + 1) for i, one in enumerate(rows)]
    run = run_of(Contents(attachments=numbered, crawls=crawls(60 * minutes), minutes=minutes))
    return replace(run, gaps=tuple((at(begin), at(end)) for begin, end in gaps))


def shown(stays: Stays) -> list[tuple[int, int, str, bool]]:
    """Return the stays in seconds, in order."""
    found = zip(stays.begin_ns.tolist(), stays.end_ns.tolist(), stays.how.tolist(), stays.again.tolist(), strict=True)
    return sorted(((b - at(0)) // 10**9, (e - at(0)) // 10**9, End(how).name, again) for b, e, how, again in found)


def test_leaving_is_dated_back_to_between_two_crawls() -> None:
    # Given up in the crawl from 1200 s on. Those from 1080 and 1140 on missed it, that from 1020 on was the last to see
    # it, at 1050 most likely.
    stays, rhythm = stays_of(run_with(row(0, 600, 1207, "gone"), row(1, 30, 3600, "sealed")))
    assert rhythm.lag == 2
    assert shown(stays) == [(30, 3600, "STILL", False), (600, 1080, "GONE", False)]


def test_attachments_outlive_the_nodes_that_left() -> None:
    moved, still = row(2, 100, 700, "moved"), row(2, 100, 3600, "sealed")
    number, left_ns = left_of(run_with(row(0, 600, 1207, "gone"), row(1, 30, 900, "silent"), moved, still))
    assert number.tolist() == [1, 2]
    assert ((left_ns - at(0)) // 10**9).tolist() == [1080, 840]


def test_a_monitor_that_moves_does_not_end_a_stay() -> None:
    moved = [row(0, 100, 700, "moved"), row(0, 100, 900, "moved"), row(0, 100, 3600, "sealed")]
    assert shown(stays_of(run_with(*moved))[0]) == [(100, 3600, "STILL", False)]


def test_nor_does_getting_a_monitor() -> None:
    promoted = [row(0, 100, 500, "promoted", monitor=0), row(0, 490, 3600, "sealed")]
    assert shown(stays_of(run_with(*promoted))[0]) == [(100, 3600, "STILL", False)]


@pytest.mark.parametrize(
    ("back", "wanted"),
    [
        (1240, [(100, 3600, "STILL", False)]),  # within two and a half crawls: it never left
        (2000, [(100, 1140, "SILENT", False), (2000, 3600, "STILL", True)]),  # whether it left is not known
    ],
)
def test_silent_and_back(back: int, wanted: list[tuple[int, int, str, bool]]) -> None:
    assert shown(stays_of(run_with(row(0, 100, 1200, "silent"), row(0, back, 3600, "sealed")))[0]) == wanted


def test_silent_to_three_monitors_is_unclear() -> None:
    rows = [row(0, 100, 400, "moved"), row(0, 100, 600, "moved"), row(0, 100, 900, "silent")]
    assert shown(stays_of(run_with(*rows))[0]) == [(100, 900, "UNCLEAR", False)]


def test_gone_and_back_are_two_stays() -> None:
    rows = [row(0, 100, 1207, "gone"), row(0, 1300, 3600, "sealed")]
    assert shown(stays_of(run_with(*rows))[0]) == [(100, 1080, "GONE", False), (1300, 3600, "STILL", False)]


def test_another_id_of_the_zone_at_the_same_address_is_the_same_stay() -> None:
    rows = [row(0, 100, 700, "changed_id"), row(1, 700, 900, "changed_id"), row(2, 900, 3600, "sealed")]
    assert shown(stays_of(run_with(*rows))[0]) == [(100, 3600, "STILL", False)]


def test_another_id_outside_the_zone_or_elsewhere_is_not() -> None:
    rows = [row(0, 100, 700, "changed_id"), row(1, 700, 3600, "sealed", ip=THERE)]
    assert shown(stays_of(run_with(*rows))[0]) == [(100, 700, "LEFT", False), (700, 3600, "STILL", False)]


def test_changes_in_one_moment_do_not_go_in_circles() -> None:
    rows = [row(n, 700, 700, "changed_id") for n in range(3)]
    assert len(stays_of(run_with(*rows))[0].begin_ns) == 3


def test_a_gap_ends_what_was_watched() -> None:
    run = run_with(row(0, 100, 3600, "sealed"), row(1, 2500, 3600, "sealed"), gaps=((1200, 2400),))
    assert shown(stays_of(run)[0]) == [(100, 1200, "STILL", False), (2500, 3600, "STILL", False)]


def test_without_crawls_or_nodes() -> None:
    run = replace(run_with(row(0, 100, 900, "gone")), crawls=())
    assert shown(stays_of(run)[0]) == [(100, 900, "GONE", False)]
    nobody = replace(run, attachments=Attachments.none(20))
    assert shown(stays_of(nobody)[0]) == []
