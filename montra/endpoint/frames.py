"""From the frames of a packet ring to datagrams as columns: what the kernel's UDP would do, for thousands at once.

A frame holds the kernel's header (`struct tpacket2_hdr`), `struct virtio_net_hdr`, and a packet from its link header
on. One frame is one datagram, but for a piece of several that travelled through the stack together (UDP_SEGMENT on the
same host, UDP GRO on a network card): that is cut up here.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from montra.datagrams import Counters, runs_of
from montra.endpoint.ring import FRAME_BYTES, NET_AT

#: Beginning of the link header where it is Ethernet's, and of the two headers behind it.
_MAC_AT = NET_AT - 14
_VNET_BYTES, _IP_BYTES, _UDP_BYTES = 10, 20, 8
_VNET_AT, _UDP_AT = _MAC_AT - _VNET_BYTES, NET_AT + _IP_BYTES
_HEADERS_BYTES = _UDP_AT + _UDP_BYTES

_FIELDS = (  # name, type, place
    ("status", "u4", 0),
    ("length", "u4", 4),
    ("kept", "u4", 8),
    ("mac", "u2", 12),
    ("net", "u2", 14),
    ("seconds", "u4", 16),
    ("nanoseconds", "u4", 20),
    ("gso_type", "u1", _VNET_AT + 1),
    ("gso_size", "<u2", _VNET_AT + 4),
    ("version", "u1", NET_AT),
    ("ip_length", ">u2", NET_AT + 2),
    ("fragment", ">u2", NET_AT + 6),
    ("source_ip", ">u4", NET_AT + 12),
    ("destination_ip", ">u4", NET_AT + 16),
    ("source_port", ">u2", _UDP_AT),
    ("destination_port", ">u2", _UDP_AT + 2),
    ("udp_length", ">u2", _UDP_AT + 4),
    ("checksum", ">u2", _UDP_AT + 6),
)
_NAMES, _TYPES, _PLACES = zip(*_FIELDS, strict=True)
_HEADERS = np.dtype({"names": _NAMES, "formats": _TYPES, "offsets": _PLACES, "itemsize": _HEADERS_BYTES})
#: TP_STATUS_LOSING: packets found no free frame. TP_STATUS_CSUMNOTREADY, TP_STATUS_CSUM_VALID: the sum need not be
#: checked, since the packet never left this host, or the network card did.
_LOSING = 4
_TRUSTED = 8 | 128
_GSO_UDP_L4 = 5
_MORE_FRAGMENTS = 0x2000
_PLAIN_IP = 0x45  # version 4, no options


@dataclass(slots=True)
class Arrivals:
    """n datagrams in the ring, none of them looked into.

    at: intp[n], where its bytes begin in the ring; length: int32[n]; kept: int32[n], bytes of it that the ring has,
    less than `length` where the frame was too small; source and destination as in DatagramBatch; wall_ns: int64[n].
    """

    at: NDArray[np.intp]
    length: NDArray[np.int32]
    kept: NDArray[np.int32]
    source_ip: NDArray[np.uint32]
    source_port: NDArray[np.uint16]
    destination_ip: NDArray[np.uint32]
    destination_port: NDArray[np.uint16]
    wall_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.at)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Arrivals:
        """Return these rows (indices or a mask)."""
        return Arrivals(*(getattr(self, f.name)[rows] for f in fields(self)))


def read_frames(flat: NDArray[np.uint8], frames: slice, counters: Counters) -> tuple[Arrivals, bool]:
    """Return the datagrams in these frames of a ring, and whether packets were dropped in between.

    Counters: bad_packet (its lengths contradict each other), bad_checksum, fragmented. The kernel's UDP drops the first
    two as well; fragments it would put together.
    """
    n = frames.stop - frames.start
    begin = np.arange(frames.start, frames.stop) * FRAME_BYTES
    headers = np.ascontiguousarray(flat.reshape(-1, FRAME_BYTES)[frames, :_HEADERS_BYTES])
    read: NDArray[Any] = headers.view(_HEADERS)[:, 0]
    _straighten(flat, begin, headers, read)
    net = read["net"].astype(np.int32)
    ip_header = (read["version"] & 15).astype(np.int32) * 4
    ip_length = read["ip_length"].astype(np.int32)
    udp_length = read["udp_length"].astype(np.int32)
    before_ip = net - read["mac"]
    fragmented = (read["fragment"] & _MORE_FRAGMENTS) != 0
    bad = (ip_length > read["length"].astype(np.int32) - before_ip) | (udp_length > ip_length - ip_header)
    bad |= (read["version"] >> 4 != 4) | (ip_header < _IP_BYTES) | (udp_length < _UDP_BYTES)
    bad &= ~fragmented
    at = begin + net + ip_header + _UDP_BYTES
    length = udp_length - _UDP_BYTES
    kept = np.minimum(read["kept"].astype(np.int32) - before_ip - ip_header - _UDP_BYTES, length)
    untrusted = ((read["status"] & _TRUSTED) == 0) & (read["checksum"] != 0) & ~bad & ~fragmented & (kept == length)
    wrong = np.zeros(n, np.bool_)
    if untrusted.any():
        rows = np.flatnonzero(untrusted)
        wrong[rows] = ~_sums_hold(flat, at[rows] - _UDP_BYTES, read[rows])
    found = Arrivals(
        at,
        length,
        kept,
        read["source_ip"].astype(np.uint32),
        read["source_port"].astype(np.uint16),
        read["destination_ip"].astype(np.uint32),
        read["destination_port"].astype(np.uint16),
        read["seconds"].astype(np.int64) * 1_000_000_000 + read["nanoseconds"],
    )
    segment = np.where((read["gso_type"] & 0x7F) == _GSO_UDP_L4, read["gso_size"], 0).astype(np.int32)
    counters.add("fragmented", int(np.count_nonzero(fragmented)))
    counters.add("bad_packet", int(np.count_nonzero(bad)))
    counters.add("bad_checksum", int(np.count_nonzero(wrong)))
    refused = bad | fragmented | wrong
    if refused.any():
        found, segment = found.take(~refused), segment[~refused]
    losing = bool((read["status"] & _LOSING).any())
    return (_cut(found, segment) if segment.any() else found), losing


def _straighten(
    flat: NDArray[np.uint8], begin: NDArray[np.intp], headers: NDArray[np.uint8], read: NDArray[Any]
) -> None:
    """Put the headers of packets where `_HEADERS` expects them: of links other than Ethernet, and with IP options."""
    rows = np.flatnonzero((read["mac"] != _MAC_AT) | (read["net"] != NET_AT) | (read["version"] != _PLAIN_IP))
    if not len(rows):
        return
    mac, net = begin[rows] + read["mac"][rows], begin[rows] + read["net"][rows]
    headers[rows, _VNET_AT:_MAC_AT] = gather(flat, mac - _VNET_BYTES, _VNET_BYTES)
    headers[rows, NET_AT:_UDP_AT] = gather(flat, net, _IP_BYTES)
    udp = net + (headers[rows, NET_AT] & 15).astype(np.intp) * 4
    headers[rows, _UDP_AT:] = gather(flat, udp, _UDP_BYTES)


def _cut(pieces: Arrivals, segment: NDArray[np.int32]) -> Arrivals:
    """Cut pieces of several datagrams into these; `segment` is the length of each but the last, 0 where it is one."""
    counts = np.where(segment > 0, -(-pieces.length // np.maximum(segment, 1)), 1)
    counts = np.maximum(counts, 1)
    piece = np.repeat(np.arange(len(pieces)), counts)
    number = np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)
    offset = (number * segment[piece]).astype(np.int32)
    cut = pieces.take(piece)
    cut.at += offset
    left = cut.length - offset
    cut.length = np.where(segment[piece] > 0, np.minimum(segment[piece], left), left)
    cut.kept = np.clip(cut.kept - offset, 0, cut.length)
    return cut


def _sums_hold(flat: NDArray[np.uint8], udp_at: NDArray[np.intp], read: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell whose UDP checksum is right (RFC 768: the ones' complement sum over pseudo header, header and payload)."""
    length = read["udp_length"].astype(np.int64)
    total = length + socket.IPPROTO_UDP
    for name in ("source_ip", "destination_ip"):
        ip = read[name].astype(np.int64)
        total += (ip >> 16) + (ip & 0xFFFF)
    short = length <= np.median(length)  # a few long ones do not make all rows wide
    for rows in (np.flatnonzero(short), np.flatnonzero(~short)):
        if len(rows):
            width = (int(length[rows].max()) + 1) & ~1
            data = gather(flat, udp_at[rows], width)
            data[np.arange(width) >= length[rows, None]] = 0
            total[rows] += data.view(">u2").sum(axis=1, dtype=np.int64)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    holds: NDArray[np.bool_] = total == 0xFFFF
    return holds


def gather(flat: NDArray[np.uint8], at: NDArray[np.intp], width: int) -> NDArray[np.uint8]:
    """Return uint8[len(at), width], a copy of the bytes of `flat` from each of these places on, 0 beyond its end."""
    last = len(flat) - width
    overlapping = runs_of(flat, width)
    if len(at) and int(at.max()) > last:
        beyond = np.flatnonzero(at > last)
        rows = overlapping[np.minimum(at, last)].view(np.uint8).reshape(len(at), width)
        for row in beyond.tolist():
            rest = flat[at[row] :]
            rows[row] = 0
            rows[row, : len(rest)] = rest
        return rows
    return overlapping[at].view(np.uint8).reshape(len(at), width)
