"""The distributions say of themselves what is true."""

import numpy as np
import pytest

from montra.validation.estimators.laws import Law, LogNormal, Popularity, Weibull

LAWS = [Weibull(3600.0), Weibull(1800.0, 0.6), LogNormal(3600.0, 1.0)]


@pytest.mark.parametrize("law", LAWS)
def test_mean_and_quantiles_are_those_of_what_is_drawn(law: Law) -> None:
    drawn = law.draw(np.random.default_rng(1), 200_000)
    assert drawn.mean() == pytest.approx(law.mean, rel=0.03)
    for share in (0.1, 0.5, 0.9):
        assert np.mean(drawn <= law.quantile(share)) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize("law", LAWS)
def test_what_is_met_at_a_moment_is_drawn_in_proportion_to_its_length(law: Law) -> None:
    rng = np.random.default_rng(2)
    lengths = law.draw(rng, 400_000)
    met = rng.choice(lengths, 100_000, p=lengths / lengths.sum())
    drawn = law.draw_met(rng, 100_000)
    for share in (0.25, 0.5, 0.75):
        assert np.quantile(drawn, share) == pytest.approx(np.quantile(met, share), rel=0.04)


def test_a_power_law_has_its_shares() -> None:
    counts = Popularity("power_law", 2.5).draw(np.random.default_rng(3), 200_000)
    zeta = float((np.arange(1, 100_001, dtype=np.float64) ** -2.5).sum())
    assert counts.min() == 1
    assert np.mean(counts == 1) == pytest.approx(1 / zeta, abs=0.005)
    assert np.mean(counts == 3) == pytest.approx(3**-2.5 / zeta, abs=0.003)


def test_all_families_can_be_drawn_and_differ_in_their_tails() -> None:
    rng = np.random.default_rng(4)
    tails = [
        np.quantile(Popularity(family, a, b).draw(rng, 50_000), 0.999)
        for family, a, b in (
            ("power_law", 2.0, 0.0),
            ("log_normal", 1.0, 1.0),
            ("power_law_cut_off", 2.0, 0.05),
        )
    ]
    assert tails[0] > 3 * tails[1] > 3 * tails[2] > 10
    with pytest.raises(ValueError, match="no family"):
        Popularity("zipf", 1.0).draw(rng, 1)
