"""The `montra` command: a group of verbs, each in a file of its own."""

from __future__ import annotations

import click

from montra import __version__
from montra.cli.analyze import analyze
from montra.cli.bench import bench
from montra.cli.config import config
from montra.cli.crawl import crawl
from montra.cli.demo import demo
from montra.cli.export import export
from montra.cli.lab import lab
from montra.cli.monitor import monitor
from montra.cli.preflight import preflight
from montra.cli.report import report
from montra.cli.simulate import simulate
from montra.cli.status import status
from montra.cli.store import store
from montra.cli.validate import validate


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "auto_envvar_prefix": "MONTRA"}
)
@click.version_option(__version__, prog_name="montra")
def main() -> None:
    """See what a live DHT publishes and searches, without disturbing it.

    \b
    montra demo                              a private network of real clients, start to report
    montra preflight -c configs/lab.toml     can this host hold the run?
    montra monitor -c configs/lab.toml       run it
    montra analyze RUN && montra report RUN  tables, figures, one HTML page

    Flags that change a configuration have twins in the environment, the same for every verb (MONTRA_DURATION=10m);
    other flags have one for each verb (MONTRA_DEMO_NODES=64). A flag beats the environment, the environment beats the
    file, the file beats the default.

    \b
    Exit codes: 0 ok, 1 error, 2 usage, 3 partial window, 4 preflight refused, 130 interrupted with data sealed.
    """


for verb in (
    analyze,
    bench,
    config,
    crawl,
    demo,
    export,
    lab,
    monitor,
    preflight,
    report,
    simulate,
    status,
    store,
    validate,
):
    main.add_command(verb)


if __name__ == "__main__":
    main()
