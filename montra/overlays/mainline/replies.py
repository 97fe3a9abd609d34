"""Replies in the forms that nearly all clients write them in, read at a fifth of the cost of a full parse.

A form is a sequence of keys in their order, as the patterns below spell it; what matches is valid bencode by
construction, without repeated keys, so that it means what `messages.parse` says. What does not match says nothing: it
may be a reply of another form, or junk, and is parsed whole.
"""

from __future__ import annotations

import re
from typing import Final

from montra.overlays.base import Message
from montra.overlays.mainline.messages import BEYOND_IP, CONTACT, FIRST_IP

#: BEP 42's `ip`, then the sender's ID and the length of its contacts: all forms begin with these, but for `ip`; answers
#: to a ping name no contacts.
_HEAD: Final = re.compile(rb"d(?:2:ip6:.{6})?1:rd2:id20:(.{20})(?:5:nodes(0|[1-9][0-9]{0,2}):)?", re.DOTALL)
#: libtorrent's `p` and a token within `r`; transactions as long as ours to the crawler's or shorter; a version or none.
_TAIL: Final = re.compile(
    rb"(?:1:pi(?:0|-?[1-9][0-9]{0,18})e)?(?:5:token(?:4:.{4}|8:.{8}|20:.{20}))?"
    rb"e1:t(?:4:(.{4})|2:(.{2}))(?:1:v4:(.{4}))?1:y1:re",
    re.DOTALL,
)


def read(data: bytes) -> Message | None:
    """Return what `messages.parse` returns for a reply of a usual form, None for anything else."""
    head = _HEAD.match(data)
    if head is None:
        return None
    begin = head.end()
    sender_id, digits = head.groups()
    end = begin + int(digits or 0)
    tail = _TAIL.fullmatch(data, end)
    if tail is None or (end - begin) % CONTACT.size:
        return None
    contacts = tuple(
        [
            contact
            for contact in CONTACT.iter_unpack(data[begin:end])
            if contact[2] and FIRST_IP <= contact[1] < BEYOND_IP
        ]
    )
    four, two, version = tail.groups()
    return Message("reply", "", four or two, sender_id, b"", contacts, version or b"")
