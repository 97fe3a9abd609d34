"""Every counter of the instrument is either explained on the ledger or named here as an activity."""

import re
from pathlib import Path

import pytest

from zone_store.losses import Severity, is_data_loss, is_loss, meaning

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    "crawler/*.py": "crawl_",
    "montra/monitors/*.py": "monitor_",
    "montra/overlays/mainline/courtesy.py": "monitor_stranger_",
    "montra/overlays/kad/courtesy.py": "monitor_stranger_",
    "montra/overlays/kad/contents.py": "monitor_stranger_",
    "montra/overlays/kad/wire.py": "wire_",
    "montra/endpoint/*.py": "",
    "montra/canaries/*.py": "canary_",
    "montra/processes/relay.py": "monitor_",
    "montra/processes/news.py": "crawl_",
}
COUNTED = re.compile(r'counters(?:\.add\(|\[)\s*f?"([a-z_]+)(\{?)')

#: What is done, not lost.
ACTIVITIES = {
    *("received", "sent", "wire_obfuscated", "wire_plain"),
    "wire_unreadable",  # what reads the row names it again, as malformed
    *("crawl_retry", "crawl_own_contact", "crawl_claimed_in_zone", "crawl_slice_spared"),
    *("monitor_accepted", "monitor_attached", "monitor_greetings", "monitor_introductions", "monitor_probes"),
    *("monitor_sealed", "monitor_promoted", "monitor_stranger_replies_reason", "monitor_stranger_contents"),
    *(
        "monitor_replies",
        "monitor_target_queries",
        "monitor_visible_by_reply",
        "monitor_visible_by_view",
        "monitor_visible_gaps_merged",
    ),
}


def counters() -> list[str]:
    names = set()
    for room, prefix in ROOMS.items():
        for path in ROOT.glob(room):
            for name, family in COUNTED.findall(path.read_text()):
                names.add(prefix + name + ("reason" if family else ""))
    return sorted(names)


def test_counters_are_found_at_all() -> None:
    assert {"kernel_drops", "crawl_timeout", "monitor_sybil", "rate_limited_reason"} <= set(counters())


@pytest.mark.parametrize("name", counters())
def test_each_counter_is_a_loss_with_a_meaning_or_an_activity(name: str) -> None:
    known = meaning(name)
    assert (known is not None) != (name in ACTIVITIES)
    if known is not None:
        assert known.text[0].islower() or known.text[0].isupper()
        assert "{" not in known.text


def test_families_name_their_reason() -> None:
    known = meaning("rate_limited_target")
    assert known is not None
    assert known.severity is Severity.COVERAGE
    assert known.text.endswith("(target)")
    assert meaning("rate_limited_") is None


def test_what_costs_data_is_told_apart() -> None:
    assert is_data_loss("kernel_drops")
    assert is_data_loss("store_overflow")
    assert is_loss("crawl_timeout")
    assert not is_data_loss("crawl_timeout")
    assert not is_loss("sent")
