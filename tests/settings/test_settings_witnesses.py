"""Who cosigns: a witness with two keys is one witness, and what a bundle's policy makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from settings_file import File
from testbed.certificates import Certificates

from hoopgate.cli.evidence import _policy
from hoopgate.errors import SettingsError
from hoopgate.recorder.cosign import ML_DSA, Cosigner
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.note import Checkpoint, Note, Verifier
from hoopgate.recorder.policy import Policy
from hoopgate.recorder.signer import FileSigner

CITY, COUNTY = Cosigner("city.example", b"c" * 32), Cosigner("county.example", b"d" * 32)
CITY_ML = Cosigner("city.example", b"e" * 32, ML_DSA)
KEYS = {"the city": CITY, "the city, too": CITY_ML, "none": COUNTY}


def tables() -> list[dict[str, str]]:
    url = "https://localhost:1/"
    return [{"name": name, "key": str(one.verifier), "url": url} for name, one in KEYS.items()]


def test_a_quorum_of_witnesses_not_of_keys(tmp_path: Path, certificates: Certificates) -> None:
    file = File(tmp_path, certificates)
    assert file.load(recording={"quorum": 2, "witnesses": tables()}).recording.quorum == 2
    with pytest.raises(SettingsError, match="there are 2 witnesses"):
        file.load(recording={"quorum": 3, "witnesses": tables()})
    with pytest.raises(SettingsError, match="there are 1 witnesses"):
        file.load(recording={"quorum": 2, "witnesses": tables()[:2]})


def test_the_policy_of_a_bundle_says_the_same(tmp_path: Path) -> None:
    signer = FileSigner.create(tmp_path / "key", "log.example/x")
    log: list[Verifier] = [signer.verifier]
    settings: dict[str, Any] = {"recording": {"quorum": 2, "witnesses": tables()}}
    policy = Policy.parse(_policy(settings, log))
    checkpoint = Checkpoint("log.example/x", 7, b"r" * 32)
    text, note = str(checkpoint), Note.parse(signer.sign(checkpoint))
    both = note.signed_too([CITY.cosign(text, 1), CITY_ML.cosign(text, 2)])
    with pytest.raises(BadNote, match="the policy asks for witnesses"):
        policy.check(both.encode())
    for city in (CITY, CITY_ML):
        well = note.signed_too([city.cosign(text, 1), COUNTY.cosign(text, 2)])
        assert policy.check(well.encode())[0].size == 7
    assert Policy.parse(_policy({}, log)).quorum == "none"
