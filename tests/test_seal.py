"""Envelopes: only the right key opens them, in the right place, whole."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigurationError, SealBroken, SealKeyMissing
from app.seal import KEY_BYTES, Keyring, key_id, new_key, sealed_under

ONE, TWO = bytes(range(32)), bytes(range(1, 33))


@given(st.binary(max_size=4096), st.text("0123456789.", max_size=40))
def test_what_is_sealed_opens(data: bytes, owner: str) -> None:
    ring = Keyring([ONE])
    envelope = ring.seal(data, "templates.embedding", owner)
    assert ring.open(envelope, "templates.embedding") == (data, owner)
    assert sealed_under(envelope) == key_id(ONE)
    assert len(data) < 8 or data not in envelope


@given(st.binary(min_size=1, max_size=200), st.data())
def test_no_bit_of_it_can_be_changed(data: bytes, drawn: st.DataObject) -> None:
    ring = Keyring([ONE])
    envelope = bytearray(ring.seal(data, "a.b", "1.2"))
    at = drawn.draw(st.integers(0, len(envelope) * 8 - 1))
    envelope[at // 8] ^= 1 << at % 8
    with pytest.raises((SealBroken, SealKeyMissing)):
        ring.open(bytes(envelope), "a.b")


@given(st.integers(0, 100))
def test_nor_cut_off(length: int) -> None:
    ring = Keyring([ONE])
    envelope = ring.seal(b"x" * 60, "a.b", "1.2")
    with pytest.raises((SealBroken, SealKeyMissing)):
        ring.open(envelope[:length], "a.b")


def test_it_opens_in_its_place_only() -> None:
    ring = Keyring([ONE])
    with pytest.raises(SealBroken):
        ring.open(ring.seal(b"x", "templates.embedding", "1.2"), "impostors.embedding")


def test_another_key_does_not_open_it_and_an_older_one_does() -> None:
    old = Keyring([ONE]).seal(b"x", "a.b")
    with pytest.raises(SealKeyMissing, match=key_id(ONE).hex()):
        Keyring([TWO]).open(old, "a.b")
    both = Keyring([TWO, ONE])
    assert both.open(old, "a.b") == (b"x", "")
    assert sealed_under(both.seal(b"x", "a.b")) == key_id(TWO)


def test_two_envelopes_of_one_thing_differ() -> None:
    ring = Keyring([ONE])
    assert ring.seal(b"x", "a.b") != ring.seal(b"x", "a.b")


def test_keys_from_text() -> None:
    first, second = new_key(), new_key()
    assert len(base64.b64decode(first)) == KEY_BYTES
    assert len(Keyring.parse(f"{first},\n{second}\n").ids) == 2
    for wrong in ("", "short", base64.b64encode(b"x" * 31).decode(), "ü" * 44, first + first):
        with pytest.raises(ConfigurationError):
            Keyring.parse(wrong)


def test_derived_keys_differ_by_purpose_and_by_key() -> None:
    ring = Keyring([ONE, TWO])
    found = {ring.derive("a"), ring.derive("b"), ring.derive("a", key_id(TWO)), ONE}
    assert len(found) == 4
    assert ring.derive("a") == ring.derive("a")
