"""Notes, checkpoints and keys: byte for byte what other tools of the format read and write."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.note import (
    Checkpoint,
    Note,
    Signature,
    Verifier,
    key_id,
    open_checkpoint,
    sign,
)
from hoopgate.recorder.signer import FileSigner

# The example of golang.org/x/mod/sumdb/note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_NOTE = (
    GO_TEXT + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNX"
    "gKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERIFIER = Verifier("log.example.org/1", KEY.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint("log.example.org/1", 1234, bytes(range(32)))
SIGNED = sign(str(CHECKPOINT), VERIFIER.name, KEY).encode()


def test_the_note_of_go() -> None:
    verifier = Verifier.parse(GO_VKEY)
    assert str(verifier) == GO_VKEY
    note = Note.parse(GO_NOTE)
    assert note.text == GO_TEXT
    assert note.verified([verifier]) == (verifier,)
    assert note.encode() == GO_NOTE


def test_the_key_file_of_go_signs_the_same(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(GO_SKEY + "\n")
    path.chmod(0o600)
    signer = FileSigner.load(path)
    assert str(signer.verifier) == GO_VKEY
    assert sign(GO_TEXT, signer.name, signer._key).encode() == GO_NOTE


def test_a_new_key_is_private_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "log.key"
    signer = FileSigner.create(path, "log.example.org/1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert FileSigner.load(path).verifier == signer.verifier
    with pytest.raises(FileExistsError):
        FileSigner.create(path, "log.example.org/1")
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        FileSigner.load(path)


@pytest.mark.parametrize(
    "text", ["", "PRIVATE+KEY+a+00000000+AAAA", GO_SKEY.replace("c74f", "c74e"), GO_VKEY]
)
def test_a_malformed_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadNote, match="not an Ed25519 note key"):
        FileSigner.load(path)


def test_a_checkpoint_is_three_lines_and_a_signature() -> None:
    assert SIGNED.startswith(
        b"log.example.org/1\n1234\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n"
        + "— log.example.org/1 ".encode()
    )
    assert open_checkpoint(SIGNED, [VERIFIER]) == CHECKPOINT


def test_cosignatures_of_others_are_left_alone() -> None:
    other = Signature("witness.example.org", b"\1\2\3\4", bytes(72)).line().encode()
    assert open_checkpoint(SIGNED + other, [VERIFIER]) == CHECKPOINT
    note = Note.parse(SIGNED + other)
    assert [s.name for s in note.signatures] == ["log.example.org/1", "witness.example.org"]


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 7))
def test_every_flipped_bit_is_found(at: int, bit: int) -> None:
    flipped = bytearray(SIGNED)
    flipped[at] ^= 1 << bit
    with pytest.raises(BadNote):
        open_checkpoint(bytes(flipped), [VERIFIER])


@given(st.integers(0, len(SIGNED) - 1))
def test_every_truncation_is_found(size: int) -> None:
    with pytest.raises(BadNote):
        open_checkpoint(SIGNED[:size], [VERIFIER])


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_only_what_is_documented(data: bytes) -> None:
    for note in (data, b"a\n1\n" + data, SIGNED + data, data + SIGNED):
        try:
            Checkpoint.parse(Note.parse(note).text)
        except BadNote:
            pass


@pytest.mark.parametrize(
    "text",
    [
        "log\n1\n",
        "log\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
        "log\n1\nAAAA\n",
        "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextension\n",
        "log\n" + "9" * 5000 + "\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused_though_signed(text: str) -> None:
    with pytest.raises(BadNote):
        open_checkpoint(sign(text, VERIFIER.name, KEY).encode(), [VERIFIER])


def test_oversized_notes_are_refused() -> None:
    with pytest.raises(BadNote, match="too large"):
        Note.parse(SIGNED + b"x" * 70_000)


@pytest.mark.parametrize(
    "text",
    ["", "a+b", "a b+00000000+AAAA", GO_VKEY.replace("c74f", "c74e"), GO_VKEY[:-4], GO_VKEY + "A"],
)
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(BadNote):
        Verifier.parse(text)


def test_a_name_or_an_id_alone_is_not_a_key() -> None:
    impostor = Verifier("log.example.org/2", VERIFIER.public)
    with pytest.raises(BadNote, match="no trusted key"):
        open_checkpoint(SIGNED, [impostor])
    assert key_id("log.example.org/1", VERIFIER.public) != key_id(impostor.name, impostor.public)


def test_a_signature_stands_in_a_note_once() -> None:
    line = SIGNED.decode().split("\n\n")[1]
    with pytest.raises(BadNote, match="twice"):
        Note.parse(SIGNED + line.encode())
