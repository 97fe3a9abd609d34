"""The four families of distributions that popularity is compared with, for whole counts from a least one up.

Each gives a count n the probability f(n) / sum of f, with f the family's density: so a family keeps its parameters
whatever the least count is, and the power law is the limit of each other one, as a fourth part of its curvature goes to
none (Malevergne, Pisarenko, Sornette 2005): the log-normal for a great sigma, the stretched exponential for a small
beta, the power law with cut-off for a far cut-off. Libraries that round a continuous distribution instead differ at
counts of a few.

All are worked with at y = ln(n / least) and by two numbers z, a slope and the logarithm of a curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Line = Callable[[float], tuple[Floats, Floats]]
"""t -> z and dz/dt."""

POWER_LAW, LOG_NORMAL, STRETCHED, CUT_OFF = "power law", "log-normal", "stretched exponential", "power law with cut-off"

_MOST_EXPONENT, _LEAST_LOG, _LN_2 = 300.0, -30.0, float(np.log(2))


@dataclass(frozen=True, slots=True)
class Family:
    """One family.

    names: of its parameters; logarithmic: which of them are positive and better taken by their logarithm; terms: (z, y)
    -> ln f(y) up to a constant and its derivatives by z [len(z), m]; known: (z, least) -> the parameters, ln of those
    that are logarithmic; worked: back again; held: (place of a parameter, its value as of `known`, least) -> the line
    of z with that parameter; free: for each parameter, the place in z that t is on its line; started: slope of a power
    law -> values of z to begin at.
    """

    name: str
    names: tuple[str, ...]
    logarithmic: tuple[bool, ...]
    terms: Callable[[Floats, Floats], tuple[Floats, Floats]]
    known: Callable[[Floats, int], Floats]
    worked: Callable[[Floats, int], Floats]
    held: Callable[[int, float, int], Line]
    free: tuple[int, ...]
    started: Callable[[float], list[Floats]]


def _power_law() -> Family:
    """f(n) = n^-alpha."""

    def held(_place: int, value: float, _least: int) -> Line:
        return lambda _: (np.array([value]), np.zeros(1))

    return Family(
        POWER_LAW,
        ("alpha",),
        (False,),
        lambda z, y: (-z[0] * y, -y[None]),
        lambda z, _: z,
        lambda known, _: known,
        held,
        (0,),
        lambda slope: [np.array([slope])],
    )


def _log_normal() -> Family:
    """f(n) = 1/n exp(-(ln n - mu)^2 / (2 sigma^2)): slope 1 + (ln least - mu) / sigma^2, curvature 1 / (2 sigma^2)."""

    def terms(z: Floats, y: Floats) -> tuple[Floats, Floats]:
        bend = np.exp(z[1]) * y * y
        return -z[0] * y - bend, np.array([-y, -bend])

    def known(z: Floats, least: int) -> Floats:
        return np.array([np.log(least) + (1 - z[0]) / (2 * np.exp(z[1])), -(z[1] + _LN_2) / 2])

    def worked(known: Floats, least: int) -> Floats:
        return np.array([1 + (np.log(least) - known[0]) * np.exp(-2 * known[1]), -2 * known[1] - _LN_2])

    def held(place: int, value: float, least: int) -> Line:
        if place == 1:
            return lambda t: (np.array([t, -2 * value - _LN_2]), np.array([1.0, 0.0]))
        below = 2 * (np.log(least) - value)
        return lambda t: (np.array([1 + below * np.exp(t), t]), np.array([below * np.exp(t), 1.0]))

    def started(slope: float) -> list[Floats]:
        return [np.array([max(0.2, slope - back), np.log(bend)]) for back, bend in ((0.1, 0.02), (0.7, 0.1), (2, 0.5))]

    return Family(LOG_NORMAL, ("mu", "sigma"), (False, True), terms, known, worked, held, (1, 0), started)


def _stretched() -> Family:
    """f(n) = n^(beta-1) exp(-(n/tau)^beta): z is ln of beta (least/tau)^beta, and ln beta."""

    def terms(z: Floats, y: Floats) -> tuple[Floats, Floats]:
        k, beta = np.exp(np.maximum(z, _LEAST_LOG))
        grown = np.minimum(beta * y, _MOST_EXPONENT)
        # (e^(beta y) - 1) / beta without cancelling for a small beta
        over = np.expm1(grown) / beta
        by_beta = y - k * (y * np.exp(grown) - over) / beta
        return (beta - 1) * y - k * over, np.array([-k * over, beta * by_beta])

    def known(z: Floats, least: int) -> Floats:
        return np.array([z[1], np.log(least) - (z[0] - z[1]) * np.exp(-z[1])])

    def worked(known: Floats, least: int) -> Floats:
        return np.array([known[0] + np.exp(known[0]) * (np.log(least) - known[1]), known[0]])

    def held(place: int, value: float, least: int) -> Line:
        if place == 0:
            return lambda t: (np.array([t, value]), np.array([1.0, 0.0]))
        above = np.log(least) - value
        return lambda t: (np.array([t + np.exp(t) * above, t]), np.array([1 + np.exp(t) * above, 1.0]))

    def started(slope: float) -> list[Floats]:
        return [
            np.array([np.log(max(0.05, slope - 1 - back)), np.log(b)]) for back, b in ((0.1, 0.1), (0.3, 0.4), (1, 1))
        ]

    return Family(STRETCHED, ("beta", "tau"), (True, True), terms, known, worked, held, (0, 1), started)


def _cut_off() -> Family:
    """f(n) = n^-alpha exp(-n/cut): slope alpha, curvature least/cut."""

    def terms(z: Floats, y: Floats) -> tuple[Floats, Floats]:
        bend = np.exp(z[1]) * np.expm1(y)
        return -z[0] * y - bend, np.array([-y, -bend])

    def held(place: int, value: float, least: int) -> Line:
        if place == 0:
            return lambda t: (np.array([value, t]), np.array([0.0, 1.0]))
        return lambda t: (np.array([t, np.log(least) - value]), np.array([1.0, 0.0]))

    def started(slope: float) -> list[Floats]:
        return [np.array([slope - back, np.log(bend)]) for back, bend in ((0.05, 1e-3), (0.2, 1e-2), (0.8, 0.1))]

    return Family(
        CUT_OFF,
        ("alpha", "cut"),
        (False, True),
        terms,
        lambda z, least: np.array([z[0], np.log(least) - z[1]]),
        lambda known, least: np.array([known[0], np.log(least) - known[1]]),
        held,
        (1, 0),
        started,
    )


FAMILIES = {family.name: family for family in (_power_law(), _log_normal(), _stretched(), _cut_off())}
