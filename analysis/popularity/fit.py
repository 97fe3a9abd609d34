"""Fits of the families to counts by maximum likelihood, and the intervals of their parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.popularity.counts import Counts
from analysis.popularity.families import FAMILIES, POWER_LAW, Family, Floats, Line
from analysis.popularity.support import support

HALF_DROP = 2.354646
"""By so much ln likelihood falls at the bounds: half the 97 % quantile of chi-square with one degree of freedom.

Not that of 95 %, because intervals from some hundred keys hold the truth less often than they promise.
"""

AT_LIMIT = 1e-3
"""A gain in ln likelihood over the power law below which a family is at its limit, the power law itself."""

_STEPS, _ENOUGH, _TOO_STEEP = 200, 1e-7, 1e12
_FARTHEST, _NEAR, _MOST_LOG = 1e4, 1e-3, 700.0


@dataclass(frozen=True, slots=True)
class Fit:
    """A family fitted to the counts of at least `least`.

    z: slope and curvature, see `families`; log_likelihood: of the n counts; at_limit: the fit is the power law, so that
    a curvature is not told.
    """

    family: str
    least: int
    z: tuple[float, ...]
    log_likelihood: float
    n: int
    at_limit: bool

    @property
    def known(self) -> dict[str, float]:
        """The family's parameters by their names."""
        family = FAMILIES[self.family]
        values = family.known(np.array(self.z), self.least).tolist()
        return {name: _plain(family, place, values[place]) for place, name in enumerate(family.names)}

    def shares(self) -> Floats:
        """Return the probability of each point of the support."""
        on = support(self.least)
        return on.log_sum(self._logs(on.y))[1]

    def log_probability(self, values: NDArray[np.int64]) -> Floats:
        """Return ln of the probability of each count, float64[k]."""
        on = support(self.least)
        return self._logs(np.log(values / self.least)) - on.log_sum(self._logs(on.y))[0]

    def at_least(self, values: NDArray[np.int64]) -> Floats:
        """Return the share of keys with at least so much, float64[k]."""
        return support(self.least).at_least(self.shares(), values)

    def draw(self, n: int, rng: np.random.Generator) -> Counts:
        """Return n counts drawn from the fit."""
        return Counts(*support(self.least).draw(self.shares(), n, rng))

    def _logs(self, y: Floats) -> Floats:
        return FAMILIES[self.family].terms(np.array(self.z), y)[0]


def of_parameters(name: str, least: int, *known: float) -> Fit:
    """Return a family with given parameters, as if fitted: to draw from and to compare with."""
    family = FAMILIES[name]
    logs = [math.log(value) if family.logarithmic[place] else value for place, value in enumerate(known)]
    z = family.worked(np.array(logs), least)
    return Fit(name, least, tuple(z.tolist()), float("nan"), 0, False)


class _Likelihood:
    """ln likelihood of a family for counts, by z."""

    def __init__(self, family: Family, counts: Counts) -> None:
        self.family, self.n = family, counts.total
        self.least = int(counts.values[0])
        self._y = np.log(counts.values / self.least)
        self._share = counts.keys / self.n
        self._on = support(self.least)

    def __call__(self, z: Floats) -> tuple[float, Floats, Floats]:
        """Return ln likelihood, its gradient by z and the expected information (matrix), all for one count."""
        logs, by_z = self.family.terms(z, self._on.y)
        total, shares = self._on.log_sum(logs)
        here, here_by_z = self.family.terms(z, self._y)
        expected = by_z @ shares
        centred = by_z - expected[:, None]
        information = (centred * shares) @ centred.T
        return float(self._share @ here) - total, here_by_z @ self._share - expected, information


def fit(counts: Counts, name: str, against: Fit | None = None) -> Fit:
    """Return the family fitted to counts, the least of which is where the family begins.

    against: the power law fitted to the same counts, so that the limit is known; it is fitted if None.
    """
    family, n = FAMILIES[name], counts.total
    likelihood = _Likelihood(family, counts)
    slope = 1 + 1 / max(1e-3, float(counts.keys @ np.log(counts.values / (likelihood.least - 0.5))) / n)
    if name == POWER_LAW:
        z, value = _climb(likelihood, family.started(slope)[0])
        return Fit(name, likelihood.least, tuple(z.tolist()), value, n, False)
    plain = against or fit(counts, POWER_LAW)
    z, value = max((_climb(likelihood, start) for start in family.started(plain.z[0])), key=lambda found: found[1])
    limit = value - plain.log_likelihood < AT_LIMIT
    return Fit(name, likelihood.least, tuple(z.tolist()), value, n, limit)


def refit(counts: Counts, fitted: Fit) -> Fit:
    """Return the same family fitted to other counts with the same least one, sought from where it was."""
    family = FAMILIES[fitted.family]
    z, value = _climb(_Likelihood(family, counts), np.array(fitted.z))
    return Fit(fitted.family, fitted.least, tuple(z.tolist()), value, counts.total, False)


def interval(counts: Counts, fitted: Fit, name: str) -> tuple[float, float]:
    """Return the 95 % interval of a parameter by its profile likelihood; -inf, 0 or inf where it has no end.

    The least count is taken as given. Sources: Venzon and Moolgavkar 1988.
    """
    family = FAMILIES[fitted.family]
    place = family.names.index(name)
    profile = _Profile(_Likelihood(family, counts), fitted, place)
    return _plain(family, place, profile.bound(-1)), _plain(family, place, profile.bound(1))


def _plain(family: Family, place: int, value: float) -> float:
    """Return a parameter as it is, of one that may be its logarithm."""
    if not family.logarithmic[place]:
        return float(value)
    return math.exp(value) if value < _MOST_LOG else math.inf


class _Profile:
    """How far ln likelihood falls where one parameter is held and the other is free."""

    def __init__(self, likelihood: _Likelihood, fitted: Fit, place: int) -> None:
        family = likelihood.family
        self._likelihood, self._place, self._top = likelihood, place, fitted.log_likelihood
        self._centre = float(family.known(np.array(fitted.z), fitted.least)[place])
        self._free = fitted.z[family.free[place]]

    def bound(self, direction: int) -> float:
        """Return where the fall is that of a 95 % interval (ln of it, if logarithmic), infinite if there is no such."""
        step, inside, free = 0.02 * direction, self._centre, self._free
        while abs(inside - self._centre) < _FARTHEST:
            fall, there = self._fall(inside + step, free)
            if fall > 0:
                return self._between(inside, inside + step, free)
            inside, free, step = inside + step, there, step * 1.6
        return direction * math.inf

    def _between(self, inside: float, outside: float, free: float) -> float:
        """Return the place of the bound by halving; the fall may be anything but continuous there."""
        while abs(outside - inside) > _NEAR * abs(outside - self._centre):
            middle = (inside + outside) / 2
            fall, there = self._fall(middle, free)
            if fall > 0:
                outside = middle
            else:
                inside, free = middle, there
        return (inside + outside) / 2

    def _fall(self, at: float, free: float) -> tuple[float, float]:
        line = self._likelihood.family.held(self._place, at, self._likelihood.least)
        t, value = _climb(self._likelihood, np.array([free]), line)
        return self._top - value - HALF_DROP, float(t[0])


def _climb(likelihood: _Likelihood, t: Floats, line: Line | None = None) -> tuple[Floats, float]:
    """Return where ln likelihood is greatest, along a line or anywhere, and its value.

    By Fisher scoring, held back where it would overshoot (Levenberg and Marquardt).
    """
    value, gradient, information = _along(likelihood, t, line)
    damping = 1e-3
    for _ in range(_STEPS):
        matrix = information + np.diag(damping * np.diag(information) + 1e-12)
        step = np.clip(np.linalg.solve(matrix, gradient), -2.0, 2.0)
        there = _along(likelihood, t + step, line)
        if there[0] >= value:
            gain, t, damping = there[0] - value, t + step, damping / 5
            value, gradient, information = there
            if gain * likelihood.n < _ENOUGH:
                break
        else:
            damping = max(damping, 1e-4) * 8
            if damping > _TOO_STEEP:
                break
    return t, value * likelihood.n


def _along(likelihood: _Likelihood, t: Floats, line: Line | None) -> tuple[float, Floats, Floats]:
    if line is None:
        return likelihood(t)
    z, by_t = line(float(t[0]))
    value, gradient, information = likelihood(z)
    return value, np.array([by_t @ gradient]), np.array([[by_t @ information @ by_t]])
