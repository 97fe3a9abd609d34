"""What does not add up is told, and nothing else."""

from __future__ import annotations

from typing import Any

from bench.crawl.accounting import problems
from montra.endpoint.limits import LimitSettings, Rate

LIMITS = LimitSettings(total=Rate(1e5, 1000), target=Rate(1, 8), subnet=Rate(20, 40))


def result() -> dict[str, Any]:
    return {
        "swarm": {
            "received": 100,
            "answered": 90,
            "silent": 10,
            "foreign": 0,
            "malformed": 0,
            "failed": 0,
            "dropped": 2,
        },
        "endpoint": {"sent": 102, "received": 88, "kernel_drops": 2, "rate_limited_subnet": 3},
        "crawler": {"timeout": 14, "duplicate_reply": 1},
        "row": {"queries": 105, "replies": 87},
        "invented": 0,
        "target": {"burst": 3.2},
        "subnet": {"burst": 12.0},
    }


def test_a_run_that_adds_up() -> None:
    assert list(problems("montra", result(), LIMITS)) == []


def test_each_side_that_lost_something_is_named() -> None:
    lost = result()
    lost["swarm"]["silent"] = 9
    assert list(problems("montra", lost, LIMITS)) == [
        "montra: queries that reached the swarm 100, those it dealt with 99"
    ]
    lost = result()
    lost["endpoint"]["sent"] = 103
    assert len(list(problems("montra", lost, LIMITS))) == 2  # questions put, queries that arrived
    lost = result()
    lost["crawler"] = {}
    assert list(problems("montra", lost, LIMITS)) == ["montra: answers received 88, taken and refused 87"]


def test_nodes_that_do_not_exist_and_limits_that_were_broken() -> None:
    bad = result()
    bad["invented"] = 1
    bad["target"]["burst"] = 9.0
    assert list(problems("montra", bad, LIMITS)) == [
        "montra: 1 nodes found that do not exist",
        "montra: limit of the target broken: a burst of 9.0 at 1/s, allowed 8",
    ]


def test_a_crawl_without_end() -> None:
    cut = result()
    cut["row"] = None
    assert list(problems("montra", cut, LIMITS)) == ["montra: the crawl did not end"]


def test_plain_code_is_held_to_what_it_sent_only() -> None:
    plain = {"swarm": result()["swarm"], "sent": 101, "invented": 0}
    assert list(problems("plain", plain, None)) == ["plain: queries sent 101, queries that arrived 102"]
