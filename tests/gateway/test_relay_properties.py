"""What holds for a relay whatever happens in whatever order."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st
from relay_world import ALLOW, BLOCK, LIMITS, World

from hoopgate.actions import Decision
from hoopgate.verdicts import Allow

CHUNK = 2000
BREAK = Decision("req-break", Allow("test"))

#: Mostly what goes on, sometimes what ends.
letters = st.one_of(
    st.text("ffdrak", min_size=1, max_size=6),
    st.text("fdraksx!?", min_size=1, max_size=6),
    st.sampled_from(["f" * CHUNK, "a" + "f" * (CHUNK - 1), "s" + "d" * (CHUNK - 1)]),
).map(str.encode)
answers = st.one_of(
    st.text("F", min_size=1, max_size=80), st.sampled_from(["!", "?", "F" * CHUNK])
).map(str.encode)

steps = st.one_of(
    st.tuples(st.just("client"), letters),
    st.tuples(st.just("backend"), answers),
    st.tuples(st.just("durable"), st.integers(1, 5)),
    st.tuples(st.just("durable"), st.just(1_000_000)),
    st.tuples(st.just("verdict"), st.sampled_from([ALLOW, ALLOW, BLOCK, BREAK])),
    st.tuples(st.just("full"), st.tuples(st.booleans(), st.booleans())),
    st.tuples(st.just("advance"), st.sampled_from([0.0, 1.0, 40.0, 700.0])),
    st.tuples(
        st.sampled_from(
            ["hold", "refused", "failed", "lose client", "lose backend", "end", "drain", "expire"]
        ),
        st.none(),
    ),
)


class Checked(World):
    """Checks after every step what must hold at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.judge.known["k"] = ALLOW
        self.unrecorded: bytes | None = None  # what the backend had when a leaf was refused
        self.at_close: tuple[bytes, bytes] | None = None

    def step(self, name: str, value: object) -> None:
        actions: dict[str, Callable[[], object]] = {
            "client": lambda: self.client_sends(value),  # type: ignore[arg-type]
            "backend": lambda: self.backend_sends(value),  # type: ignore[arg-type]
            "durable": lambda: self.recording.complete(value),  # type: ignore[arg-type]
            "refused": self.refused,
            "failed": self.failed,
            "verdict": lambda: self.judge.say(value),  # type: ignore[arg-type]
            "hold": self.judge.hold,
            "full": lambda: self.full(*value),  # type: ignore[misc]
            "lose client": self.lose_client,
            "lose backend": self.lose_backend,
            "advance": lambda: self.clock.advance(value),  # type: ignore[arg-type]
            "end": lambda: self.relay.end("test", "over"),
            "drain": lambda: self.relay.drain("draining"),
            "expire": lambda: self.relay.identity_ended("identity.expired", "expired"),
        }
        actions[name]()
        self.check()

    def client_sends(self, data: bytes) -> None:
        if not self.client.paused and not self.client.disconnected:
            assert self.closed or self.recording.waiting <= LIMITS.held_bytes / 1024 + 1
            self.relay.client_data(data)

    def backend_sends(self, data: bytes) -> None:
        if not self.backend.paused and not self.backend.disconnected:
            self.relay.backend_data(data)

    def refused(self) -> None:
        if self.recording.refuse() and self.unrecorded is None:
            self.unrecorded = self.backend.written

    def failed(self) -> None:
        if self.unrecorded is None:
            self.unrecorded = self.backend.written
        self.recording.fail()

    def full(self, client: bool, full: bool) -> None:
        (self.client if client else self.backend).full(full)

    def check(self) -> None:
        durable = b"".join(self.recording.durable)
        # Nothing reaches the backend without its leaf, in the order it came; nothing is lost.
        assert durable.startswith(self.backend.written)
        if self.unrecorded is not None:
            assert self.backend.written == self.unrecorded
        elif not self.closed and not self.backend.disconnected:
            assert self.backend.written == durable
        # Nothing is shown that is not recorded.
        assert self.recording.responses.startswith(self.client.written)
        if not self.client.disconnected:
            assert self.recording.responses == self.client.written
        # Nothing is held without bound.
        assert self.session.buffered <= LIMITS.held_bytes + CHUNK
        # One end, and nothing after it.
        assert self.recording.closed == self.closed
        assert len(self.closed) <= 1
        if self.closed:
            seen = self.client.written, self.backend.written
            if self.at_close is None:
                self.at_close = seen
                if self.unrecorded is None and not self.backend.disconnected:
                    assert self.backend.written == b"".join(self.recording.requested)
            assert seen == self.at_close
            assert self.client.losing or self.client.disconnected
            assert self.backend.losing or self.backend.disconnected

    def finish(self) -> None:
        self.lose_client()
        self.lose_backend()
        self.recording.complete()
        self.check()
        assert len(self.closed) == 1
        assert self.judge.asked is None
        self.clock.advance(5)
        assert self.clock.getDelayedCalls() == []


@settings(max_examples=1500, deadline=None)
@given(st.lists(steps, max_size=30))
@example([("client", b"a"), ("hold", None), ("advance", 0.0), ("lose client", None)])
@example([("client", b"ff"), ("refused", None), ("durable", 1)])
@example([("client", b"ffx"), ("refused", None), ("durable", 1)])
@example([("client", b"f"), ("lose client", None), ("failed", None)])
@example([("client", b"ffx"), ("durable", 1), ("durable", 1)])
@example([("client", b"f" * CHUNK), ("client", b"f")])
@example([("expire", None), ("client", b"s"), ("advance", 1.0), ("backend", b"F")])
def test_whatever_happens(program: list[tuple[str, object]]) -> None:
    """Bytes to the backend wait for their leaf, bytes to the client are recorded, memory is
    bounded, and the session ends once, with nothing left behind."""
    world = Checked()
    for name, value in program:
        world.step(name, value)
    world.finish()
