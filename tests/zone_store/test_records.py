"""Small records as bytes, those of older runs included."""

from __future__ import annotations

import msgspec
import pytest

from zone_store.captures import Attachment, CrawlRow, Loss, Status
from zone_store.run.folder import RunError
from zone_store.run.records import decode_attachment, decode_crawl, decode_loss, encode_record

FIRST_SCHEMA = (1, 7, b"\xa4" * 20, 1, 2, b"\xa5" * 20, 3, 4, 10, 20, 30, ((40, 50), (60, 0)), 70, "gone")
CRAWL = CrawlRow(3, 1, 2, 9, 8, 7, 6, 5, 4, 3, 10.5, 0.9, 0.8, 1.0)


def test_an_attachment_comes_back_with_version_and_status() -> None:
    told = Attachment(*FIRST_SCHEMA[1:], version=0x08000000, status=Status.TCP_FIREWALLED)  # type: ignore[arg-type]
    data = encode_record(told)
    assert msgspec.msgpack.decode(data)[0] == 2
    assert msgspec.msgpack.decode(data)[-2:] == [0x08000000, 2]
    assert decode_attachment(data) == told


def test_attachments_of_runs_before_the_version_are_read() -> None:
    found = decode_attachment(msgspec.msgpack.encode(FIRST_SCHEMA))
    assert found == Attachment(*FIRST_SCHEMA[1:])  # type: ignore[arg-type]
    assert (found.version, found.status, found.reason) == (0, 0, "gone")


def test_crawls_and_losses_are_what_they_were() -> None:
    assert decode_crawl(encode_record(CRAWL)) == CRAWL
    assert decode_loss(encode_record(Loss("kernel_drops", 1, 2, 3))) == Loss("kernel_drops", 1, 2, 3)
    assert msgspec.msgpack.decode(encode_record(CRAWL))[0] == 1


@pytest.mark.parametrize(
    "values",
    [
        (3, *FIRST_SCHEMA[1:], 1, 1),
        (1, *FIRST_SCHEMA[1:], 1, 1),
        (2, *FIRST_SCHEMA[1:]),
        (2, *FIRST_SCHEMA[1:], 1 << 32, 1),
        (2, *FIRST_SCHEMA[1:], 1, 256),
        (2, *FIRST_SCHEMA[1:], 1, -1),
        FIRST_SCHEMA[:-1],
        (),
    ],
)
def test_damage_is_one_clear_error(values: tuple[object, ...]) -> None:
    with pytest.raises(RunError, match="attachment record"):
        decode_attachment(msgspec.msgpack.encode(values))
    with pytest.raises(RunError, match="attachment record"):
        decode_attachment(b"")
