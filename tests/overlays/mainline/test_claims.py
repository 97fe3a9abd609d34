from montra.overlays.mainline.claims import CLAIM_NS, Claims

A, B = b"a" * 20, b"b" * 20


def test_a_key_is_the_first_monitors_until_the_claim_ends() -> None:
    claims = Claims(b"secret")
    assert claims.holder(0, b"k", A) == A
    assert claims.holder(1, b"k", B) == A
    assert claims.holder(CLAIM_NS - 1, b"k", A) == A  # asking again does not prolong it
    assert claims.holder(CLAIM_NS, b"k", B) == B
    assert claims.holder(CLAIM_NS + 1, b"k", A) == B


def test_claims_are_bounded_and_room_comes_back() -> None:
    claims = Claims(b"secret", max_claims=2)
    assert [claims.holder(at, key, A) for at, key in enumerate((b"1", b"2", b"3"))] == [A, A, b""]
    assert claims.holder(5, b"2", B) == A
    assert len(claims) == 2
    assert claims.holder(CLAIM_NS, b"3", B) == B
    assert len(claims) == 2


def test_tokens_are_of_an_address_and_a_secret() -> None:
    token = Claims(b"secret").token(0x0A000001)
    assert len(token) == 8
    assert token == Claims(b"secret").token(0x0A000001)
    assert token != Claims(b"secret").token(0x0A000002)
    assert token != Claims(b"other").token(0x0A000001)
