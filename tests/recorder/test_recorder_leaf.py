"""What the recorder writes by hand is what an encoder of canonical JSON would write."""

from __future__ import annotations

import hmac
import json
from collections import Counter

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import example, given
from hypothesis import strategies as st

from hoopgate.actions import Decision
from hoopgate.events import StatementFacts
from hoopgate.recorder.leaf import (
    CHUNK,
    LEAF_BYTES,
    decode,
    encode,
    encode_chunk,
    encode_decisions,
)
from hoopgate.recorder.sealing import SessionKey
from hoopgate.verdicts import Allow, Block, Hold, Mask, Verdict

#: Control characters, quotes, surrogates: all that could break out of a string.
texts = st.one_of(st.text(max_size=120), st.text(st.characters(codec=None), max_size=40))
facts = st.builds(StatementFacts, classes=st.frozensets(texts, max_size=3))


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    rule, reason, message = draw(texts), draw(texts), draw(texts)
    verdict: Verdict = draw(
        st.sampled_from(
            [
                Allow(rule),
                Mask(rule, ()),
                Block(rule, reason, message),
                Hold(rule, reason, message, frozenset(), 60.0),
            ]
        )
    )
    return Decision(
        draw(texts),
        verdict,
        tuple(draw(st.lists(texts, max_size=2))),
        draw(texts),
        tuple(draw(st.lists(facts, max_size=2))),
    )


def canonical(value: object) -> bytes:
    """RFC 8785 for ASCII keys and integers, by the standard library."""
    encoded = json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    paired = encoded.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return paired.encode("utf-8", "backslashreplace")


def verdict_of(decision: Decision) -> str:
    return type(decision.verdict).__name__.lower()


@given(st.lists(decisions(), min_size=1, max_size=3))
@example([Decision("\ud800\udc00", Allow("\udc00\ud800"))])
def test_decisions_are_canonical(made: list[Decision]) -> None:
    def detail(decision: Decision) -> dict[str, object]:
        verdict = decision.verdict
        optional = {
            "reason": getattr(verdict, "reason", None),
            "monitored": list(decision.monitored),
            "approval": decision.approval,
        }
        if not isinstance(verdict, Block | Hold):
            del optional["reason"]
        return {
            "request": decision.request_id,
            "verdict": verdict_of(decision),
            "rule": verdict.rule,
            "classes": sorted({name for one in decision.facts for name in one.classes}),
            **{name: value for name, value in optional.items() if value or name == "reason"},
        }

    assert encode_decisions(made) == canonical([detail(one) for one in made])


@given(
    st.lists(decisions(), max_size=3),
    st.lists(st.integers(0, 2**63), min_size=7, max_size=7),
    st.sampled_from(["client", "backend", "both"]),
)
@example([Decision("\ud800\udc00", Allow("\udc00\ud800"))], [0] * 7, "client")
def test_a_chunk_is_canonical(made: list[Decision], numbers: list[int], direction: str) -> None:
    names = ("index", "length", "mono", "offset", "segment", "seq", "time")
    fields: dict[str, object] = {
        **dict(zip(names, numbers, strict=True)),
        "direction": direction,
        "hash": "aGE=",
        "hmac": "bWE=",
        "prev": "cHI=",
        "session": "ses-1",
        "type": "chunk",
    }
    leaf = encode_chunk(
        *(direction, "aGE=", "bWE=", *numbers[:4], "cHI=", *numbers[4:6], "ses-1", numbers[6]),
        made,
    )
    if made:
        found = json.loads(leaf)
        named = found["decisions"]
        assert len(named) == len(made)
        assert all(len(request) <= 64 and len(rule) <= 96 for request, _, rule in named)
        assert found["verdicts"] == Counter(verdict_of(one) for one in made)
        fields |= {"decisions": named, "verdicts": found["verdicts"]}
        if len(made) == 1:
            (one,) = made
            expected = [[one.request_id[:64], verdict_of(one), one.verdict.rule[:96]]]
            assert canonical(named) == canonical(json.loads(canonical(expected), strict=False))
    assert leaf == canonical(fields)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_the_mac_is_hmac(key: bytes, plaintext: bytes) -> None:
    derived = HKDFExpand(SHA256(), 32, b"hoopgate payload hmac v1").derive(key)
    session = SessionKey("ses-1", key)
    for _ in range(2):
        assert session.mac(plaintext) == hmac.digest(derived, plaintext, "sha256")


def test_every_number_and_text_of_a_chunk_is_read_by_its_pattern() -> None:
    leaf = encode_chunk(
        *("both", "A" * 43 + "=", "B" * 43 + "=", 7, 300, 12, 8, "C" * 43 + "=", 1, 3, "ses-1", 99),
        (Decision("req-1", Allow("operator/readers")),),
    )
    assert CHUNK.match(leaf) is not None
    assert decode(leaf) == json.loads(leaf)
    without = encode_chunk(
        *("client", "A" * 43 + "=", "B" * 43 + "=", 0, 1, 0, 8, "C" * 43 + "=", 1, 0, "s", 0)
    )
    assert CHUNK.match(without) is not None
    assert decode(without) == json.loads(without)


@given(st.data())
def test_the_pattern_of_a_chunk_takes_what_decoding_takes(data: st.DataObject) -> None:
    """Whatever becomes of a chunk's bytes, the short way and the long way agree."""
    leaf = bytearray(
        encode_chunk(
            data.draw(st.sampled_from(["both", "client", "backend"])),
            *("A" * 43 + "=", "B" * 43 + "=", data.draw(st.integers(0, 2**64)), 300, 12, 8),
            *("C" * 43 + "=", 1, 3, "ses-1", 99),
            data.draw(st.lists(decisions(), max_size=2)),
        )
    )
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(leaf) - 1))
        piece = data.draw(st.binary(max_size=3) | st.sampled_from([b"0", b'"', b",", b"]", b"\n"]))
        leaf[at : at + data.draw(st.integers(0, 2))] = piece
    if len(leaf) > LEAF_BYTES or CHUNK.match(leaf) is None:
        return
    value = json.loads(leaf)
    assert encode(value) == leaf
    assert decode(bytes(leaf)) == value
