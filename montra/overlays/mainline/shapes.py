"""The bytes of replies to strangers: one at a time, and many at once.

A shape is all that a reply has beside its variable strings: an ID, a token, the transaction. Both ways write the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from montra.overlays.mainline.messages import ID_BYTES, OUR_VERSION

#: The longest token that all clients keep: uTorrent takes 20 bytes, jech/dht fewer than 40; 8 cannot be guessed.
TOKEN_BYTES: Final = 8


class Shape(NamedTuple):
    """The fixed parts of a reply: head, [ID, middle,] [token,] close, transaction, end.

    type: `y` (BEP 5); named, tokened: it has an ID, a token.
    """

    head: bytes
    middle: bytes
    close: bytes
    type: bytes
    named: bool = True
    tokened: bool = False


_HEAD: Final = b"d1:rd2:id20:"
#: An ID and no contacts. Without `nodes` rTorrent's search stalls.
NO_NODES: Final = Shape(_HEAD, b"5:nodes0:", b"e", b"r")
#: The same with a token, so that the requester may announce.
NO_NODES_TOKEN: Final = Shape(_HEAD, b"5:nodes0:5:token%d:" % TOKEN_BYTES, b"e", b"r", tokened=True)
#: An ID alone, in answer to announce_peer.
ID_ONLY: Final = Shape(_HEAD, b"", b"e", b"r")
#: Error 202, "Server Error" (BEP 5).
SERVER_ERROR: Final = Shape(b"d1:eli202e12:Server Error", b"", b"e", b"e", named=False)


def write(shape: Shape, node_id: bytes, token: bytes, transaction: bytes) -> bytes:
    """Return one reply; node_id and token count only where the shape has one."""
    return b"".join(
        (
            shape.head,
            node_id if shape.named else b"",
            shape.middle,
            token if shape.tokened else b"",
            shape.close,
            b"1:t%d:" % len(transaction),
            transaction,
            _end(shape),
        )
    )


class _Template(NamedTuple):
    """A reply with zeros for its variable strings, uint8[size], and where these begin."""

    text: NDArray[np.uint8]
    id_at: int
    token_at: int
    transaction_at: int


@lru_cache(maxsize=1024)
def _template(shape: Shape, transaction_bytes: int) -> _Template:
    data = write(shape, bytes(ID_BYTES), bytes(TOKEN_BYTES), bytes(transaction_bytes))
    id_at = len(shape.head)
    token_at = id_at + ID_BYTES * shape.named + len(shape.middle)
    return _Template(np.frombuffer(data, np.uint8), id_at, token_at, len(data) - len(_end(shape)) - transaction_bytes)


def _end(shape: Shape) -> bytes:
    return b"1:v%d:%b1:y1:%be" % (len(OUR_VERSION), OUR_VERSION, shape.type)


def size(shape: Shape, transaction_bytes: int) -> int:
    """Return the length of a reply in bytes."""
    return len(_template(shape, transaction_bytes).text)


def write_many(
    shape: Shape, node_ids: NDArray[np.uint8], tokens: NDArray[np.uint8], transactions: NDArray[np.uint8]
) -> list[bytes]:
    """Return n replies of one shape.

    node_ids: uint8[n, 20]; tokens: uint8[n, TOKEN_BYTES], used only where the shape has one; transactions: uint8[n, t],
    all of one length.
    """
    n, transaction_bytes = transactions.shape
    template = _template(shape, transaction_bytes)
    rows = np.empty((n, len(template.text)), np.uint8)
    rows[:] = template.text
    if shape.named:
        rows[:, template.id_at : template.id_at + ID_BYTES] = node_ids
    if shape.tokened:
        rows[:, template.token_at : template.token_at + TOKEN_BYTES] = tokens
    rows[:, template.transaction_at : template.transaction_at + transaction_bytes] = transactions
    data, width = rows.tobytes(), rows.shape[1]
    return [data[at : at + width] for at in range(0, n * width, width)]
