"""Cosignatures with ML-DSA-44 (c2sp.org/tlog-cosignature), against an implementation of others."""

from __future__ import annotations

import struct
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest
from dilithium_py.ml_dsa import ML_DSA_44
from recorder_world import ORIGIN, World
from testbed.certificates import Certificates
from testbed.witness import Witness

from hoopgate.cli.main import main
from hoopgate.recorder.cosign import ML_DSA, Cosigner, WitnessKey
from hoopgate.recorder.cosigning import WITNESSED, Peer
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.note import Checkpoint, Note, Signature
from hoopgate.recorder.rotation import SIGNER_KEY
from hoopgate.recorder.signer import FileSigner

NAME = "witness.example/ml"
SEED = bytes(range(32))
CHECKPOINT = Checkpoint("log.example.org/1", 70_000, sha256(b"root").digest())


def message(name: bytes, time: int, checkpoint: Checkpoint) -> bytes:
    """``cosigned_message``, written down from the specification."""
    origin = checkpoint.origin.encode()
    return b"".join(
        [
            b"subtree/v1\n\0",
            struct.pack(">B", len(name)) + name,
            struct.pack(">Q", time),
            struct.pack(">B", len(origin)) + origin,
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root,
        ]
    )


def test_others_verify_what_we_sign() -> None:
    line = Cosigner(NAME, SEED, ML_DSA).cosign(str(CHECKPOINT), 1_790_000_000).line()
    dash, name, encoded = line.rstrip("\n").split(" ")
    raw = b64decode(encoded)
    public, _ = ML_DSA_44.key_derive(SEED)
    assert (dash, name) == ("—", NAME)
    assert raw[:4] == sha256(NAME.encode() + b"\n\x06" + public).digest()[:4]
    assert struct.unpack(">Q", raw[4:12]) == (1_790_000_000,)
    assert len(raw) == 4 + 8 + 2420
    assert ML_DSA_44.verify(public, message(NAME.encode(), 1_790_000_000, CHECKPOINT), raw[12:])
    assert not ML_DSA_44.verify(public, message(NAME.encode(), 1_790_000_001, CHECKPOINT), raw[12:])


def test_we_verify_what_others_sign() -> None:
    public, private = ML_DSA_44.key_derive(SEED)
    key = WitnessKey(NAME, public, ML_DSA)
    assert WitnessKey.parse(str(key)) == key == Cosigner(NAME, SEED, ML_DSA).verifier

    def note(signature: bytes, time: int = 7, text: str = str(CHECKPOINT)) -> Note:
        line = Signature(NAME, key.id, struct.pack(">Q", time) + signature)
        return Note.parse(Note(text, (line,)).encode())

    signature = ML_DSA_44.sign(private, message(NAME.encode(), 7, CHECKPOINT))
    assert key.cosigned(note(signature)) == 7
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    other = str(Checkpoint(CHECKPOINT.origin, 70_001, CHECKPOINT.root))
    for bad in (note(flipped), note(signature, 8), note(signature, text=other), note(b"")):
        with pytest.raises(BadNote):
            key.cosigned(bad)
    elsewhere = ML_DSA_44.sign(private, message(b"another.example", 7, CHECKPOINT))
    with pytest.raises(BadNote):  # it commits to the cosigner's name
        key.cosigned(note(elsewhere))
    with pytest.raises(BadNote, match="no time"):
        key.cosigned(note(signature, 2**63))


def test_a_witness_cosigns_with_both(tmp_path: Path, certificates: Certificates) -> None:
    world = World(tmp_path / "node", checkpoint_ms=5)
    log = FileSigner.create(world.state / SIGNER_KEY, ORIGIN).verifier
    witness = Witness(tmp_path / "witness", "city.example", [str(log)], certificates)
    witness.start()
    try:
        keys = {"city": witness.key, "city-ml": witness.ml_dsa_key}
        peers = [
            Peer(name, WitnessKey.parse(key), witness.url, certificates.ca)
            for name, key in keys.items()
        ]
        world.open().log.outside.witness(peers, 1)
        session = world.session("s-1")
        world.wait(session.request(b"x", None, ()))
        size, cosigning = world.log.size, world.log.outside.cosigning
        assert cosigning is not None
        world.pump.until(lambda: cosigning.size >= size, 60)
        world.stop()
    finally:
        witness.stop()
    lines = "".join(f"witness {name} {key}\n" for name, key in keys.items())
    policy = tmp_path / "policy"
    policy.write_text(f"log {log}\n{lines}group both all city city-ml\nquorum both\n")
    verify = ["audit", "verify", "-d", str(world.directory), "--policy", str(policy)]
    assert main(verify) == 0
    path = world.directory / WITNESSED
    note = Note.parse(path.read_bytes())
    wanted = WitnessKey.parse(witness.ml_dsa_key)
    signature = next(s for s in note.signatures if s.id == wanted.id)
    checkpoint = Checkpoint.parse(note.text)
    time = struct.unpack(">Q", signature.signature[:8])[0]
    signed = message(b"city.example", time, checkpoint)
    assert ML_DSA_44.verify(wanted.public, signed, signature.signature[8:])
    others = tuple(s for s in note.signatures if s.id != wanted.id)
    path.write_bytes(Note(note.text, others).encode())
    assert main(verify) == 1
    changed = bytearray(signature.signature)
    changed[900] ^= 4
    wrong = Signature(signature.name, signature.id, bytes(changed))
    path.write_bytes(Note(note.text, (*others, wrong)).encode())
    assert main(verify) == 1
