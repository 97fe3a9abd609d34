"""How a fleet behaves: every number with its reason. Durations are float seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from montra.overlays.base import Overlay

#: Small counts have a byte each in the table.
_MAX_COUNT = 200

#: Groups of more targets than this leave most lookups without a monitor, which meet eight.
MAX_EVERY = 64


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """Settings of a fleet; raises ValueError in one clear line. Reasons are Mainline's; other DHTs have other defaults
    (`Overlay.defaults`).

    every: one target at least of each group of at most so many neighbours has a monitor, see
    `montra.monitors.thinning`; 1: each target has. patience_s: how long a worker's successor waits for the targets that
    its predecessor monitored before others of their groups get a monitor. max_monitors: rows at most, those that linger
    included. attach_rate: new monitors a second. max_waiting: targets that may wait for a monitor, or max_monitors if
    that is more. max_ids_per_ip: targets taken at one IP; more is a sybil pattern. max_id_changes: an address whose
    node changes its ID more often is left alone (libtorrent changes once or twice after its start).

    tick_s: grain of all timers; a timer is never early and less than one tick late. second_introduction_s: libtorrent
    shows a peer at its second query. repeat_s, repeats: further introductions while the target stays mute. early_s:
    time after the first introduction in which no more than `Overlay.most_introductions` are sent: of Mainline's clients
    mldht throttles who sends more. round_gap_s: time at least from one round of queries to one that nobody planned,
    such as after a query under another ID; for clients that drop what comes too often.
    reply_timeout_s: when a query counts as unanswered. reintroduce_s: waits before the 1st, 2nd, ... re-introduction of
    a monitor that is not handed out or whose target is mute; the last one repeats. max_failures: rounds without an
    answer in a row before the target is given up as silent. retry_silent_s: peace for a target that answers the crawl
    but none of our addresses.

    verify_delay_s: an own view earlier than this after an introduction proves nothing. quarantine_s: time after the
    first introduction before which nobody is moved for hiding us, and uTorrent not even looked at: it hands nobody out
    for 120 s. absent_views: views without the monitor, in a row, that end a visible interval (one reply may leave
    anybody out). view_every_s: ask for a view when the crawl brought none for so long; doubled for each in vain.
    max_probes_per_s: views asked for a second, by all monitors together. move_after: failed verifications before
    another address is tried. max_moves: addresses tried beyond the first. max_visible_intervals: kept for an
    attachment; of more, the two with the shortest gap become one.

    keep_alive_s, keep_alive_jitter: interval, and the share of it by which each one is varied either way. linger_s: how
    long an ended monitor keeps its address and its ears: a lookup's copies may come late (Mainline repeats for 60 s),
    and its address must not pass to another target meanwhile. packet_interval_s, packet_burst: what goes to one target,
    answers included (LT blocks at 50 packets in 10 s, mldht at 2 a second).
    """

    every: int = 1
    patience_s: float = 120.0
    max_monitors: int = 32_768
    attach_rate: float = 250.0
    max_waiting: int = 65_536
    max_ids_per_ip: int = 4
    max_id_changes: int = 4
    tick_s: float = 0.1
    second_introduction_s: float = 0.2
    repeat_s: float = 5.0
    repeats: int = 2
    early_s: float = 120.0
    round_gap_s: float = 0.0
    reply_timeout_s: float = 5.0
    reintroduce_s: tuple[float, ...] = (15.0, 60.0, 60.0, 300.0, 900.0)
    max_failures: int = 4
    retry_silent_s: float = 3600.0
    verify_delay_s: float = 2.0
    quarantine_s: float = 130.0
    absent_views: int = 2
    view_every_s: float = 600.0
    max_probes_per_s: float = 50.0
    move_after: int = 4
    max_moves: int = 2
    max_visible_intervals: int = 64
    keep_alive_s: float = 360.0
    keep_alive_jitter: float = 0.1
    linger_s: float = 60.0
    packet_interval_s: float = 1.0
    packet_burst: int = 16

    def __post_init__(self) -> None:
        # zero means: never, or at once
        whole = {"max_moves", "repeats", "max_id_changes", "round_gap_s"}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("reintroduce_s", "keep_alive_jitter"):
                continue
            if value < 0 or (value == 0 and field.name not in whole):
                raise ValueError(f"{field.name} must be {'at least 0' if field.name in whole else 'positive'}: {value}")
        if not self.reintroduce_s or min(self.reintroduce_s) <= 0:
            raise ValueError(f"reintroduce_s must hold positive waits: {self.reintroduce_s}")
        if not 0 <= self.keep_alive_jitter < 1:
            raise ValueError(f"keep_alive_jitter must be a share below 1: {self.keep_alive_jitter}")
        if self.second_introduction_s >= self.repeat_s:
            raise ValueError("second_introduction_s must be shorter than repeat_s")
        if self.every > MAX_EVERY:
            raise ValueError(f"every must be at most {MAX_EVERY}: {self.every}")
        for name in ("max_failures", "move_after", "absent_views", "max_moves", "max_id_changes", "repeats"):
            if getattr(self, name) > _MAX_COUNT:
                raise ValueError(f"{name} must be at most {_MAX_COUNT}: {getattr(self, name)}")


def settings_of(overlay: Overlay, **changes: Any) -> FleetSettings:
    """Return the settings of a fleet on a DHT: its defaults, and `changes`; raises ValueError."""
    return FleetSettings(**{**overlay.defaults.get("monitors", {}), **changes})


def check_introductions(settings: FleetSettings, most: int) -> None:
    """Raise ValueError if the first round would have more than `most` introductions."""
    if settings.repeats > most - 2:
        raise ValueError(f"repeats must be at most {most - 2}: {settings.repeats}")


def nanoseconds(seconds: float) -> int:
    """Return a duration in whole nanoseconds."""
    return round(seconds * 1e9)
