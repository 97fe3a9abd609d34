from pathlib import Path

import pytest

from montra.endpoint.ring import RingSettings
from montra.window import config as configuration
from montra.window import shipped
from montra.window.config import Config, ConfigError, merge, parse, split_endpoint, to_toml, validate

LAB = {
    "zone": "a4/6",
    "bootstrap": ["127.10.1.1:6881"],
    "addresses": {"crawler": "127.99.0.1:20880", "monitors": ["127.100.1.0/24"], "ports": "20881"},
}


def problems_of(document: dict[str, object]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        validate(parse(document))
    return caught.value.problems


@pytest.mark.parametrize("kind", shipped.KINDS)
def test_what_we_ship_is_valid_and_survives_a_round_trip(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(shipped.text(kind))
    config = parse(configuration.load(path))
    validate(config)
    path.write_text(to_toml(config))
    assert parse(configuration.load(path)) == config


def test_a_ring_is_made_of_its_settings() -> None:
    addresses = {**LAB["addresses"], "receive": "ring", "ring": "2MiB", "interface": "lo"}
    config = parse({**LAB, "addresses": addresses})
    validate(config)
    assert config.addresses.receive_ring == RingSettings(2 << 20, "lo")
    assert parse(LAB).addresses.receive_ring is None
    (problem,) = problems_of({**LAB, "addresses": {**addresses, "ring": "much"}})
    assert "addresses.ring" in problem
    with pytest.raises(ConfigError, match="rings"):
        parse({**LAB, "addresses": {**addresses, "receive": "rings"}})


def test_what_strangers_get() -> None:
    table = parse(LAB).reply_table()
    assert table["libtorrent"] == "far-id"
    config = parse({**LAB, "replies": {"mode": "own-id", "families": {"jech": "silent"}}})
    validate(config)
    assert config.reply_table() == dict.fromkeys(table, "own-id") | {"jech": "silent"}
    assert set(parse({**LAB, "replies": {"mode": "paper"}}).reply_table().values()) == {"silent"}


def test_defaults_are_filled_in() -> None:
    config = parse(LAB)
    validate(config)
    assert (config.overlay, config.duration_s, config.addresses.bind) == ("mainline", 21600.0, "shared")
    assert config.plan().pairs == 256


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"zoen": "a4/6"}, "unknown key zoen; did you mean zone?"),
        ({"crawl": {"tmeout_s": 1}}, "unknown key crawl.tmeout_s; did you mean crawl.timeout_s?"),
        ({"limits": {"total": {"per_sec": 1}}}, "unknown key limits.total.per_sec; did you mean limits.total.per_s?"),
        ({"crawl": 5}, "crawl is a section: write it as [crawl]"),
    ],
)
def test_unknown_keys_are_named_with_the_nearest_known_one(change: dict[str, object], line: str) -> None:
    assert line in problems_of({**LAB, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"zone": "a4/9"}, ["zone", "9 bits asked"]),
        ({"zone": ""}, ["zone"]),
        ({"overlay": "kademlia"}, ["overlay 'kademlia' is unknown", "mainline"]),
        ({"duration": "soon"}, ["duration", "'soon'"]),
        ({"seed": -1}, ["seed = -1"]),
        ({"seed": "one"}, ["int", "str", "seed"]),
        ({"bootstrap": []}, ["bootstrap", "host:port"]),
        ({"bootstrap": ["nowhere"]}, ["bootstrap", "'nowhere'"]),
        ({"crawl": {"timeout_s": -1.0}}, ["timeout_s"]),
        ({"replies": {"mode": "polite"}}, ["replies: mode 'polite' is none of least, paper, silent"]),
        ({"replies": {"families": {"azureus": "silent"}}}, ["replies: family 'azureus' is none of"]),
        ({"replies": {"families": {"jech": "loud"}}}, ["replies: policy 'loud' of jech is none of"]),
        ({"replies": {"mode": "paper", "families": {"jech": "once"}}}, ["replies", "silence to all"]),
        ({"replies": {"families": {"jech": 1}}}, ["str", "int", "replies.families"]),
        ({"storage": {"min_free": "lots"}}, ["storage.min_free", "'lots'"]),
        ({"addresses": {**LAB["addresses"], "monitors": []}}, ["addresses.monitors"]),
        ({"addresses": {**LAB["addresses"], "ports": "0"}}, ["addresses", "port"]),
        ({"addresses": {**LAB["addresses"], "crawler": "127.100.1.7:20880"}}, ["also a monitor address"]),
        ({"addresses": {**LAB["addresses"], "crawler": "127.99.0.1:20881"}}, ["addresses.crawler", "20881", "bind"]),
        ({"addresses": {**LAB["addresses"], "crawler": "host:1"}}, ["addresses.crawler"]),
        ({"addresses": {**LAB["addresses"], "bind": "all"}}, ["bind"]),
    ],
)
def test_each_fault_is_one_clear_line(change: dict[str, object], words: list[str]) -> None:
    problems = problems_of({**LAB, **change})
    assert any(all(word in line for word in words) for line in problems), problems
    assert all("\n" not in line for line in problems)


def test_a_crawl_needs_no_monitors() -> None:
    config = parse({**LAB, "addresses": {"crawler": "127.99.0.1:20881"}})  # the default port of monitors, too
    validate(config, crawl_only=True)
    assert config.plan(crawl_only=True).pairs == 0
    bad = parse({**LAB, "addresses": {"crawler": "224.0.0.1:20881"}})
    with pytest.raises(ConfigError, match=r"addresses: .*224\.0\.0\.1"):
        validate(bad, crawl_only=True)


def test_all_faults_are_told_at_once() -> None:
    problems = problems_of({**LAB, "zone": "zz/6", "duration": "", "seed": -3})
    assert len(problems) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), ("zone = ", "is no TOML"), ("\xff".encode("latin-1"), "cannot be read")],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: str | bytes | None, words: str) -> None:
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError, match=words):
        configuration.load(path)


def test_overrides_beat_the_file_and_none_is_no_override() -> None:
    document = {"zone": "a4/6", "storage": {"runs": "here", "min_free": "1GB"}}
    merged = merge(document, {"zone": "80/1", "storage.runs": "there", "limits.total": None})
    assert merged == {"zone": "80/1", "storage": {"runs": "there", "min_free": "1GB"}}
    assert document["storage"] == {"runs": "here", "min_free": "1GB"}


def test_an_override_cannot_go_into_a_value() -> None:
    with pytest.raises(ConfigError, match="storage is a section"):
        merge({"storage": 3}, {"storage.runs": "there"})


@pytest.mark.parametrize("text", ["", "host", ":1", "host:", "host:0", "host:65536", "host:1x"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        split_endpoint(text)


def test_the_whole_configuration_is_immutable() -> None:
    with pytest.raises(AttributeError):
        Config().zone = "a4/6"  # type: ignore[misc]
