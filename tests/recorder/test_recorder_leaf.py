"""What the recorder writes by hand is what an encoder of canonical JSON would write."""

from __future__ import annotations

import hmac
import json
from collections import Counter

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.events import Decision, StatementFacts
from hoopgate.recorder.leaf import encode_chunk, encode_decisions
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
    return encoded.encode("utf-8", "backslashreplace")


def verdict_of(decision: Decision) -> str:
    return type(decision.verdict).__name__.lower()


@given(st.lists(decisions(), min_size=1, max_size=3))
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
