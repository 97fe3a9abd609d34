"""What is compared with a lab of real amuled, simulated."""

from pathlib import Path

from montra.simulator.kad.parity import PLANS, simulate


def test_plans_have_an_address_for_each_monitor_in_the_24s_they_name() -> None:
    for plan in PLANS:
        entries = plan.overrides(150)["addresses.monitors"]
        assert len(entries) == -(-150 // plan.each)
        assert len(entries) * min(plan.each, 150) >= 150
    assert PLANS[-1].overrides(150) == {"addresses.monitors": ["100.96.1.1-150"]}


def test_a_network_without_churn_or_loss_is_captured_whole(tmp_path: Path) -> None:
    found = simulate(tmp_path, PLANS[0], nodes=24, seed=1, networks=2)
    assert found.lookups > 1000
    assert found.capture.value > 0.99
    assert found.destination.value > 0.99
    assert 2.5 < found.copies.value < 5
