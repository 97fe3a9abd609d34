"""Labs watched from a chosen address plan, one run each: what `validate lab` and `validate confidence` do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from montra.cli.common import Exit
from montra.cli.lab_window import watch_lab
from montra.cli.monitor import exit_code
from montra.lab.events import LOG_NAME, Began, read_events
from montra.lab.settings import ChurnSettings, LabError, LabSettings, WorkloadSettings
from montra.window.analyze import attribute_run

#: /24s that a plan may have: the CIDR block that holds so many.
SUBNETS = {16: "127.100.0.0/20", 8: "127.100.0.0/21", 4: "127.100.0.0/22", 1: "127.100.0.0/24"}
#: All monitors on one address tell themselves apart by port, of which a fleet under churn needs several for a target.
ONE_IP, ONE_IP_PORTS = "127.100.0.1", "20881-21380"
#: Lookups of one key share their fate, so nearly every one has a key of its own.
ZIPF = 0.3
STATIC_S, CHURN_S = 40.0, 80.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Addresses of monitors and what the network does: subnets 0 means one IP; session_s: mean, 0 = nobody leaves."""

    subnets: int
    session_s: float = 0.0

    @property
    def name(self) -> str:
        """Name it in words."""
        addresses = {0: "one IP", 1: "one /24"}.get(self.subnets, f"{self.subnets} /24s")
        return f"{addresses}, sessions {self.session_s:g} s" if self.session_s else f"{addresses}, static"

    @property
    def slug(self) -> str:
        """Name it as a folder."""
        return f"{self.subnets}x24-{self.session_s:g}" if self.subnets else f"ip-{self.session_s:g}"

    @property
    def overrides(self) -> dict[str, Any]:
        """Return what differs from the lab's configuration."""
        if not self.subnets:
            return {"addresses.monitors": [ONE_IP], "addresses.ports": ONE_IP_PORTS}
        return {"addresses.monitors": [SUBNETS[self.subnets]]}


@dataclass(frozen=True, slots=True)
class Trial:
    """One lab and the run that watched it, attributed. since_ns: when the workload began."""

    plan: Plan
    run: Path
    truth: Path
    since_ns: int


def lab_of(plan: Plan, folder: Path, *, nodes: int, lookups: int, announces: int, seed: int) -> LabSettings:
    """Return the lab to watch from a plan, with all files in `folder`; raises ValueError."""
    return LabSettings(
        out=str(folder / "lab"),
        nodes=nodes,
        seed=seed,
        workload=WorkloadSettings(
            lookups=lookups,
            announces=announces,
            duration_s=CHURN_S if plan.session_s else STATIC_S,
            info_hashes=max(1, lookups + announces),
            zipf=ZIPF,
        ),
        churn=ChurnSettings(mean_session_s=plan.session_s),
    )


def run_trial(
    plan: Plan, settings: LabSettings, folder: Path, overrides: dict[str, Any], say_step: Callable[[str], None]
) -> Trial:
    """Run a lab watched by this plan in `folder` and attribute the run; raises what `watch_lab` raises."""
    window = watch_lab(settings, folder, plan.overrides | overrides, say_step)
    if exit_code(window.ended) != Exit.OK or not window.went_ns:
        raise SystemExit(int(exit_code(window.ended)))
    attribute_run(window.ended.run)
    return Trial(plan, window.ended.run, Path(settings.out), window.went_ns)


def libtorrents(truths: Iterable[Path]) -> dict[str, str]:
    """Return by name the client of these labs, with its versions; none without labs."""
    firsts = [next(read_events(truth / LOG_NAME), None) for truth in truths]
    found = {first.libtorrent for first in firsts if isinstance(first, Began)}
    return {"libtorrent": ", ".join(sorted(found))} if found else {}


def refuse_flaw(flaw: str) -> None:
    """Raise LabError if a comparison is none of a whole workload."""
    if flaw:
        raise LabError(flaw)
