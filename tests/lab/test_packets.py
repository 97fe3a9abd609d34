"""Reading libtorrent's packet log. Payloads as libtorrent 2.1.1 writes them."""

from montra.lab.packets import direction, wanted

KEY = bytes(range(200, 220))
ID = b"n" * 20
GET_PEERS = b"d1:ad2:id20:" + ID + b"9:info_hash20:" + KEY + b"e1:q9:get_peers1:t2:aa1:v4:LT\x02\x111:y1:qe"
ANNOUNCE = (
    b"d1:ad2:id20:" + ID + b"9:info_hash20:" + KEY + b"4:porti6881e4:seedi1e5:token4:toke"
    b"e1:q13:announce_peer1:t2:ab1:v4:LT\x02\x111:y1:qe"
)


def test_queries_for_a_wanted_key() -> None:
    assert wanted(GET_PEERS, {KEY}) == ("get_peers", KEY)
    assert wanted(ANNOUNCE, {KEY}) == ("announce_peer", KEY)


def test_everything_else_is_left_out() -> None:
    assert wanted(GET_PEERS, {b"x" * 20}) is None
    assert wanted(GET_PEERS, set()) is None
    assert wanted(GET_PEERS.replace(b"1:y1:q", b"1:y1:r"), {KEY}) is None
    assert wanted(GET_PEERS.replace(b"1:q9:get_peers", b"1:q9:get_other"), {KEY}) is None
    assert wanted(b"d1:rd2:id20:" + ID + b"e1:t2:aa1:y1:re", {KEY}) is None
    assert wanted(GET_PEERS[: GET_PEERS.index(KEY) + 5], {KEY}) is None
    assert wanted(b"", {KEY}) is None


def test_direction() -> None:
    assert direction("<== [127.10.4.1:6881] { 'a': {} }") == (False, "127.10.4.1", 6881)
    assert direction("==> [127.190.7.7:10003] { 'a': {} }") == (True, "127.190.7.7", 10003)
    assert direction("[127.10.4.1:6881] ==>") is None
    assert direction("<== [[::1]:6881] {}") is None
