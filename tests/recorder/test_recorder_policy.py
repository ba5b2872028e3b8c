"""Policies: who must have signed, and what is no policy."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.recorder.cosign import Cosigner, WitnessKey
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.note import Checkpoint, Note, Verifier, sign
from hoopgate.recorder.policy import Policy

LOG = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
VKEY = Verifier("log.example/x", LOG.public_key().public_bytes_raw())
WITNESSES = [Cosigner(f"w{n}.example", bytes([n]) * 32) for n in range(4)]
NOTE = sign(str(Checkpoint("log.example/x", 7, b"r" * 32)), "log.example/x", LOG)


def policy(*lines: str) -> Policy:
    keys = [f"witness w{n} {witness.verifier}" for n, witness in enumerate(WITNESSES)]
    return Policy.parse("\n".join([f"log {VKEY}", *keys, *lines]))


def cosigned(*numbers: int, at: int = 1_700_000_000) -> Note:
    return NOTE.signed_too([WITNESSES[n].cosign(NOTE.text, at + n) for n in numbers])


@pytest.mark.parametrize("number", range(4))
def test_a_witness_key_is_read_as_it_is_written(number: int) -> None:
    key = WITNESSES[number].verifier
    assert WitnessKey.parse(str(key)) == key
    # The same key as a log's own has another id: one cannot stand for the other.
    assert str(Verifier(key.name, key.public)).split("+")[1] != str(key).split("+")[1]
    with pytest.raises(BadNote):
        Verifier.parse(str(key))


def test_the_vector_of_the_specification() -> None:
    """What is signed (c2sp.org/tlog-cosignature): a head, the time, the whole text of the note."""
    signature = WITNESSES[1].cosign(NOTE.text, 0x0102030405)
    assert signature.signature[:8] == bytes.fromhex("0000000102030405")
    Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32).public_key().verify(
        signature.signature[8:], b"cosignature/v1\ntime 4328719365\n" + NOTE.text.encode()
    )


@given(st.sets(st.integers(0, 3)), st.integers(1, 4))
def test_a_quorum_is_a_number_of_members(signers: set[int], wanted: int) -> None:
    asked = policy(f"group g {wanted} w0 w1 w2 w3", "quorum g")
    note = cosigned(*signers).encode()
    if len(signers) >= wanted:
        checkpoint, times = asked.check(note)
        assert (checkpoint.size, set(times)) == (7, {f"w{n}" for n in signers})
        assert all(times[f"w{n}"] == 1_700_000_000 + n for n in signers)
    else:
        with pytest.raises(BadNote, match="the policy asks for g"):
            asked.check(note)


def test_groups_hold_groups() -> None:
    asked = policy("group a any w0 w1", "group b all w2 w3", "group c all a b", "quorum c")
    assert asked.check(cosigned(1, 2, 3).encode())[0].size == 7
    for signers in ((0, 1, 2), (2, 3), ()):
        with pytest.raises(BadNote):
            asked.check(cosigned(*signers).encode())


@given(st.integers(0, 3), st.data())
def test_a_changed_cosignature_is_wrong(number: int, data: st.DataObject) -> None:
    note = bytearray(cosigned(0, 1, 2, 3).encode())
    lines = bytes(note).split(b"\n")
    start = bytes(note).index(b" w%d.example " % number) + len(b" w0.example ")
    at = start + 8 + data.draw(st.integers(0, 80))  # behind the key's id
    note[at] ^= 1
    assert len(lines) == 10
    with pytest.raises(BadNote):
        policy("group g all w0 w1 w2 w3", "quorum g").check(bytes(note))


@pytest.mark.parametrize(
    "lines",
    [
        ("",),
        ("quorum nobody",),
        ("quorum w0", "quorum w1"),
        ("group w0 any w1", "quorum w0"),
        ("group none any w1", "quorum none"),
        ("group g 0 w1", "quorum g"),
        ("group g 3 w1 w2", "quorum g"),
        ("group g any w1 w1", "quorum g"),
        ("group g any later", "group later any w1", "quorum g"),
        ("group g any", "quorum g"),
        (f"witness w0 {WITNESSES[0].verifier}", "quorum w0"),
        (f"witness x {VKEY}", "quorum x"),
        (f"witness x {str(WITNESSES[0].verifier)[:-2]}AA", "quorum x"),
        ("trust everybody", "quorum none"),
        # One witness that would count for two groups, and so for the quorum of both.
        ("group a any w0 w1", "group b any w0 w2", "group c all a b", "quorum c"),
        ("group a any w0 w1", "group b any a w0", "quorum b"),
        ("group g " + "9" * 5000 + " w0 w1", "quorum g"),
        ("group g \u0661 w0 w1", "quorum g"),
        # What a reader does not see, or takes for another line or word.
        ("# ours\x0bquorum w1", "group g all w0 w1", "quorum g"),
        ("# ours\rquorum w0",),
        ("# ours\u2028quorum w0",),
        ("quorum\u00a0w0",),
        ("\ufeff# ours", "quorum\x00 w0"),
        (f"log {Verifier('other', VKEY.public)}", "quorum w0"),
        # A comment is a line.
        ("group g all w0 # w1", "quorum g"),
    ],
)
def test_what_is_no_policy(lines: tuple[str, ...]) -> None:
    with pytest.raises(BadNote):
        policy(*lines)


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    with pytest.raises(BadNote):
        Policy.parse(text)


def test_comments_addresses_and_blank_lines() -> None:
    text = f" # ours: caf\u00e9\n\n\t\nlog\t{VKEY}  https://log.example/ \n  quorum none\n"
    assert Policy.parse(text).check(NOTE.encode()) == (
        Checkpoint("log.example/x", 7, b"r" * 32),
        {},
    )
