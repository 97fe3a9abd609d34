"""Each fault a user can make: one clear line, the right exit code, nothing written half."""

import json
import os
import resource
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from montra.cli.crawl import loss_lines
from montra.overlays.mainline import OVERLAY
from montra.window import shipped
from tests.cli.conftest import COMMAND, montra
from zone_store.keyspace.zone import Zone
from zone_store.run.folder import Manifest, create_run, write_manifest
from zone_store.run.writer import RunWriter


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that could run, on addresses of its own."""
    text = (
        shipped.text("lab")
        .replace("127.100.", "127.143.")
        .replace("127.99.0.1", "127.142.0.1")
        .replace("127.98.", "127.145.")
    )
    path = tmp_path / "lab.toml"
    path.write_text(text.replace('"20881-20884"', '"22081"').replace(":20880", ":22080"))
    return path


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def refused(tmp_path: Path, code: int, *words: str, arguments: tuple[str | Path, ...]) -> None:
    """The command ends with this code, says these words in one line of its own, and leaves no run."""
    runs = tmp_path / "runs"
    done = montra("monitor", "--runs", runs, "--duration", "5s", *arguments)
    lines = [line for line in done.err.splitlines() if line.startswith("montra: ")]
    assert done.code == code, done.err
    assert any(all(word in line for word in words) for line in lines), done.err
    assert "Traceback" not in done.err
    assert not runs.exists() or not list(runs.iterdir())


def test_unknown_keys(config: Path, tmp_path: Path) -> None:
    edited(config, "pause_s", "pauze_s")
    refused(tmp_path, 2, "unknown key crawl.pauze_s", "did you mean crawl.pause_s?", arguments=("-c", config))


@pytest.mark.parametrize("zone", ["a4/99", "xyz", "a4/9", "2"])
def test_zones_out_of_range(config: Path, tmp_path: Path, zone: str) -> None:
    refused(tmp_path, 2, "zone", zone, arguments=("-c", config, "--zone", zone))


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    refused(tmp_path, 2, "no such file", "config init", arguments=("-c", tmp_path / "none.toml"))


def test_addresses_the_host_lacks(config: Path, tmp_path: Path) -> None:
    edited(config, '"127.143.0.0/17"', '"192.0.2.55"')
    refused(tmp_path, 4, "sockets", "192.0.2.55", arguments=("-c", config))


def test_a_crawler_address_the_host_lacks(config: Path, tmp_path: Path) -> None:
    edited(config, "127.142.0.1:22080", "192.0.2.77:22080")
    refused(tmp_path, 4, "sockets", "192.0.2.77", arguments=("-c", config))


def test_a_port_that_is_taken(config: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.143.1.1", 22081))
        refused(tmp_path, 4, "22081", "another socket has the port", arguments=("-c", config))


def test_too_few_file_descriptors(config: Path, tmp_path: Path) -> None:
    edited(config, 'bind = "shared"', 'bind = "each"')
    command = [*COMMAND, "monitor", "-c", str(config), "--runs", str(tmp_path / "runs")]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=limit)
    assert done.returncode == 4, done.stderr
    assert "file descriptors" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_crawl_with_a_bad_blocklist(config: Path, tmp_path: Path) -> None:
    blocklist = tmp_path / "blocked.txt"
    blocklist.write_text("not an address\n")
    done = montra("crawl", "-c", config, "--blocklist-file", blocklist)
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.startswith("montra: ")
    assert "line 1" in line


def test_what_the_endpoint_lost_is_told_by_name() -> None:
    told = loss_lines({"sent": 9, "rate_limited_total": 3, "received": 2, "outbox_full": 1})
    assert [line.partition(": ")[2].split(":")[0] for line in told] == ["1 outbox_full", "3 rate_limited_total"]


def test_an_interrupted_crawl_writes_what_it_knows(config: Path, tmp_path: Path) -> None:
    """One node answers, without end: the zone is never crawled to --count; no monitors are configured."""
    node_id = Zone.parse("a4/6").low()
    out = tmp_path / "nodes.jsonl"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:
        node.bind(("127.142.7.1", 0))
        node.settimeout(20)
        edited(
            config, '"127.10.1.1:6881", "127.10.2.1:6881", "127.10.3.1:6881"', f'"127.142.7.1:{node.getsockname()[1]}"'
        )
        edited(config, 'monitors = ["127.143.0.0/17"]\n', "")
        command = [*COMMAND, "crawl", "-c", str(config), "--count", "1000", "-o", str(out), "-r", "200"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            for _ in range(2):  # the second query comes when the first answer was taken
                query, source = node.recvfrom(1500)
                at = query.index(b"1:t4:") + 5
                reply = b"d1:rd2:id20:" + node_id + b"e1:t4:" + query[at : at + 4] + b"1:v3:LT11:y1:re"
                node.sendto(reply, source)
        finally:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "crawl.max_pps = 1000 lowered to 150" in err
    (found,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert found["id"] == node_id.hex()
    # a short v is padded as in captures
    assert found["client"] == OVERLAY.version_name(int.from_bytes(b"LT1\0"))


def test_a_blocklist_with_a_bad_line(config: Path, tmp_path: Path) -> None:
    blocklist = tmp_path / "blocked.txt"
    blocklist.write_text("10.0.0.0/8\nnot an address\n")
    refused(tmp_path, 4, "blocklist", "line 2", arguments=("-c", config, "--blocklist-file", blocklist))


def test_too_little_disk(config: Path, tmp_path: Path) -> None:
    edited(config, 'min_free = "200MB"', 'min_free = "9999TB"')
    refused(tmp_path, 4, "disk", "storage.min_free", arguments=("-c", config))


def test_a_run_folder_that_cannot_be_made(config: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file, where a folder should be")
    done = montra("monitor", "--runs", tmp_path / "runs", "--duration", "5s", "-c", config)
    assert done.code in (1, 4), done.err
    assert "runs" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "verb", [["status"], ["analyze"], ["report"], ["store", "stat"], ["store", "verify"]], ids=lambda v: "-".join(v)
)
def test_a_folder_that_is_no_run(tmp_path: Path, verb: list[str]) -> None:
    done = montra(*verb, tmp_path)
    assert done.code == 1, done.err
    assert "manifest.json" in done.err + done.out
    assert "Traceback" not in done.err


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A sealed run in which nothing happened."""
    folder = create_run(tmp_path, 1_700_000_000_000_000_000, "mainline", Zone.parse("a4/6"))
    manifest = Manifest(montra_version="0", overlay="mainline", zone="a4/6", start_ns=1_700_000_000_000_000_000)
    writer = RunWriter(folder, manifest, "")
    writer.seal(1_700_000_060_000_000_000, "complete")
    return folder


@pytest.mark.parametrize("verb", [["status"], ["analyze"], ["store", "stat"]], ids=lambda v: "-".join(v))
def test_a_store_of_another_schema(run: Path, verb: list[str]) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["schema"] = 99
    (run / "manifest.json").write_text(json.dumps(manifest))
    done = montra(*verb, run)
    assert done.code == 1, done.err
    assert "schema 99" in done.err
    assert "Traceback" not in done.err


def test_a_damaged_store_is_told(run: Path) -> None:
    data = run / "capture.lmdb" / "data.mdb"
    damaged = bytearray(data.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    data.write_bytes(damaged)
    done = montra("store", "verify", run)
    assert done.code == 1
    assert "damaged" in done.out


def test_live_instruments_refuse_a_run_on_another_dht(tmp_path: Path) -> None:
    folder = create_run(tmp_path, 1_700_000_000_000_000_000, "kad", Zone.parse("a4/6", 128))
    write_manifest(folder, Manifest(montra_version="0", overlay="kad", zone="a4/6", start_ns=1_700_000_000_000_000_000))
    done = montra("validate", "live", folder)
    assert (done.code, "speak mainline only" in done.err) == (1, True), done.err


def test_a_crawl_whose_file_of_nodes_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kad.toml"
    path.write_text(
        'overlay = "kad"\nzone = "a4/6"\nbootstrap_file = "nodes.dat"\n[addresses]\ncrawler = "127.0.0.1:4672"\n'
    )
    done = montra("crawl", "-c", path)
    assert done.code == 2, done.err
    assert "nodes.dat cannot be read: No such file" in done.err
    assert "Traceback" not in done.err


def test_an_empty_run_gives_a_report_that_says_so(run: Path) -> None:
    assert montra("analyze", run).code == 0
    done = montra("report", run)
    assert done.code == 0, done.err
    assert "no " in Path(done.out.strip()).read_text("utf-8").lower()


@pytest.mark.parametrize("arguments", [["monitor"], ["nonsense"], ["store", "verify", "/nowhere"]])
def test_wrong_usage(arguments: list[str]) -> None:
    done = montra(*arguments)
    assert done.code == 2
    assert "Usage:" in done.err


def test_flags_beat_the_environment_and_that_the_file(config: Path) -> None:
    env = {"MONTRA_DURATION": "7m"}
    assert json.loads(montra("config", "show", "-c", config, "--json").out)["duration"] == "10m"
    assert json.loads(montra("config", "show", "-c", config, "--json", env=env).out)["duration"] == "7m"
    flag = montra("config", "show", "-c", config, "--json", "--duration", "8m", "-r", "100", env=env)
    assert json.loads(flag.out)["duration"] == "8m"
    assert json.loads(flag.out)["limits"]["total"] == {"per_s": 100.0, "burst": 25}


def test_config_init_writes_what_can_be_shown_and_never_over_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert montra("config", "init", path).code == 0
    shown = montra("config", "show", "-c", path, "--json")
    assert shown.code == 0
    assert Path(json.loads(shown.out)["responsible"]["blocklist"]).read_text().count("/") > 5
    again = montra("config", "init", path)
    assert again.code == 1
    assert "File exists" in again.err


def test_preflight_says_what_it_found(config: Path) -> None:
    done = montra("preflight", "-c", config, "--json")
    assert done.code == 0, done.err
    checks = {check["name"]: check for check in json.loads(done.out)}
    assert checks["address spread"]["level"] == "ok"
    assert checks["capacity"]["finding"] == "1000 monitors at most (32768 addresses x 1 ports)"


def test_a_dry_run_writes_nothing(config: Path, tmp_path: Path) -> None:
    done = montra("monitor", "-c", config, "--dry-run", "--runs", tmp_path / "runs")
    assert done.code == 0, done.err
    assert not (tmp_path / "runs").exists()


def test_a_disk_that_fills_up_ends_in_a_sealed_partial_run(config: Path, tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands for the full disk: the kernel refuses to let a file grow (EFBIG)."""
    command = [*COMMAND, "monitor", "-c", str(config), "--runs", str(tmp_path / "runs"), "--duration", "20s"]

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = subprocess.run(command, capture_output=True, text=True, timeout=90, preexec_fn=limit, env=os.environ)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 3, done.stderr
    assert "partial (cannot write" in done.stdout
    (run,) = (tmp_path / "runs").iterdir()
    assert montra("store", "verify", run).code == 0


def test_shards_that_do_not_fit_together_on_the_disk_wait_to_be_joined(config: Path, tmp_path: Path) -> None:
    edited(config, 'ports = "22081"', 'ports = "22081-22082"')
    command = [*COMMAND, "monitor", "-c", str(config), "--runs", str(tmp_path / "runs"), "--duration", "20s"]

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    done = subprocess.run(
        [*command, "--workers", "2"], capture_output=True, text=True, timeout=90, preexec_fn=limit, env=os.environ
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 1, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert f"montra store seal {run}" in done.stderr
    sealed = montra("store", "seal", "--json", run)
    assert sealed.code == 0, sealed.err
    assert json.loads(sealed.out)["exit"] == "partial"
    assert not (run / "shards").exists()
    assert montra("store", "verify", run).code == 0
