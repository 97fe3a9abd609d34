"""Losses by name, in the order of what they cost."""

from __future__ import annotations

from analysis.trust.ledger import loss_totals

from ..samples import START_NS, at, run_of, sample


def test_losses_are_summed_by_name_and_ordered_by_what_they_cost() -> None:
    totals = loss_totals(run_of(sample()), 11, {})
    assert [(t.name, t.severity, t.count) for t in totals] == [
        ("not_running", "data", 60),
        ("kernel_drops", "data", 2),
        ("crawl_timeout", "coverage", 7),
        ("<script>name", "", 1),
    ]
    assert (totals[2].first_ns, totals[2].last_ns) == (at(0), at(30))
    assert totals[1].text == "datagrams the kernel dropped because a receive buffer was full"
    assert totals[3].text == "a name that this version does not know"


def test_copies_that_no_lookup_stands_for_are_a_loss() -> None:
    contents = sample()
    contents.losses = []
    (total,) = loss_totals(run_of(contents), 9, {})
    assert (total.name, total.severity, total.count, total.first_ns) == ("not_attributed", "data", 2, START_NS)


def test_copies_that_the_attribution_left_out_go_by_their_own_name() -> None:
    contents = sample()
    contents.losses = []
    totals = loss_totals(run_of(contents), 8, {"attribution_unknown_attachment": 2})
    assert [(t.name, t.severity, t.count) for t in totals] == [
        ("attribution_unknown_attachment", "data", 2),
        ("not_attributed", "data", 1),
    ]
    assert totals[0].text == "copies in the store whose monitor is not among the run's"
