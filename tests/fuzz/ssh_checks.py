"""What must hold for any bytes, per parser of SSH; see :mod:`fuzz.pg_checks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hoopgate.actions import Action, Ask, Decision, Forward, Reply
from hoopgate.errors import RemoteProtocolError
from hoopgate.events import Command, OperationFacts, Side
from hoopgate.plans import BodyPlan, MaskPlan
from hoopgate.ssh import sftp_wire as wire
from hoopgate.ssh.authentication import Login, Proven
from hoopgate.ssh.channels import FRAME_BYTES
from hoopgate.ssh.packets import CTRSeal, GCMSeal, Plain
from hoopgate.ssh.render import SSHRenderer, SSHTerminal
from hoopgate.ssh.session import ChannelPolicy, SSHSession
from hoopgate.ssh.sftp import Bounds, SFTPStream
from hoopgate.ssh.wire import CHANNEL_DATA, Frames, Reader
from hoopgate.verdicts import Allow, Block, Mask

ALLOWED = "/allowed"
_PLAN = BodyPlan(columns=())


def pieces(data: bytes) -> Iterator[tuple[bool, bytes]]:
    """A first byte says who speaks and how much."""
    at = 0
    while at < len(data):
        head = data[at]
        size = (head & 0x7F) + 1
        yield bool(head & 0x80), data[at + 1 : at + 1 + size]
        at += 1 + size


def decide(command: Command, *, mask: bool) -> Decision:
    """What is below /allowed is allowed, as the path that was written."""
    fine = all(path.startswith(ALLOWED) for path in command.paths)
    facts = OperationFacts(
        classes=frozenset({command.kind}),
        attributes={"ssh.path": tuple((path, "") for path in command.paths) or (("", ""),)},
    )
    if not fine:
        return Decision("req", Block("r", "x.y", "No."), facts=(facts,))
    verdict = Mask("r", (_PLAN,)) if mask and command.kind == "sftp.read" else Allow("r")
    return Decision("req", verdict, facts=(facts,))


class SFTPPlay:
    """A stream whose questions are answered at once."""

    def __init__(self, *, mask: bool) -> None:
        self._mask = mask
        self._asked: list[Command] = []

        def ask(command: Command) -> Action:
            self._asked.append(command)
            return Ask(1, command)

        def upper(path: str, content: bytes, plan: MaskPlan) -> bytes:
            return b"*" * len(content)

        bounds = Bounds(10_000, 100, 100, 5000)
        self.stream = SFTPStream(ask, bounds, upper if mask else None)
        self.sent = b""
        self.told = b""

    def take(self, actions: list[Action]) -> None:
        while actions:
            action = actions.pop(0)
            if isinstance(action, Ask):
                command = self._asked.pop(0)
                more = self.stream.decided(decide(command, mask=self._mask))
                actions = more + actions
            elif isinstance(action, Forward):
                self.sent += _payload(action.data)
            elif isinstance(action, Reply):
                self.told += _payload(action.data)


def _payload(frames: bytes) -> bytes:
    found = Frames(FRAME_BYTES).feed(frames)
    return b"".join(Reader(body).string() for number, body in found if number == CHANNEL_DATA)


def _check_sent(data: bytes) -> None:
    """Nothing that was not allowed has reached the server."""
    packets = wire.Packets()
    packets.feed(data)
    while (packet := packets.next()) is not None:
        if packet[0] == wire.INIT:
            continue
        request = wire.request(packet)
        paths = request.paths[1:] if request.kind == wire.SYMLINK else request.paths
        assert all(path.startswith(ALLOWED.encode()) for path in paths)
    assert not packets.buffered


def sftp(data: bytes) -> None:
    """Any bytes of either side: one error only, and nothing passes unjudged."""
    for mask in (False, True):
        play = SFTPPlay(mask=mask)
        try:
            for client, piece in pieces(data):
                if client:
                    play.take(play.stream.from_client(piece))
                else:
                    play.take(play.stream.from_backend(CHANNEL_DATA, piece))
        except RemoteProtocolError:
            pass
        _check_sent(play.sent)


def channel(data: bytes) -> None:
    """Any bytes of either side on a channel; the recording of them can be shown."""
    session = SSHSession(ChannelPolicy(frozenset({"LANG"}), shell=True))
    renderer, terminal = SSHRenderer(), SSHTerminal()
    for client, piece in pieces(data):
        show = renderer.request if client else renderer.response
        assert all(line.isprintable() for line in show(piece))
        (terminal.request if client else terminal.response)(piece)
    try:
        for client, piece in pieces(data):
            actions = session.received(Side.CLIENT if client else Side.BACKEND, piece)
            for action in actions:
                if isinstance(action, Ask):
                    verdict = Block("r", "x.y", "No.")
                    session.decided(action.ticket, Decision("req", verdict))
                elif isinstance(action, Forward):
                    assert CHANNEL_DATA not in [n for n, _ in Frames(FRAME_BYTES).feed(action.data)]
    except RemoteProtocolError:
        pass


def login(data: bytes) -> None:
    """No bytes are a login without a signature that was checked."""
    one = Login(b"s" * 32, secret_limit=100)
    try:
        for _, piece in pieces(data):
            if piece:
                steps = one.received(piece[0], piece[1:])
                assert not any(isinstance(step, Proven) for step in steps)
                if steps:
                    one.refused()
    except RemoteProtocolError:
        pass


def packets(data: bytes) -> None:
    """Packets of any bytes: one error only."""
    for seal in (
        Plain(),
        GCMSeal(b"k" * 32, b"i" * 12),
        CTRSeal(b"k" * 16, b"i" * 16, b"hmac-sha2-256-etm@openssh.com", b"m" * 64, sealing=False),
    ):
        buffer = bytearray(data)
        try:
            while seal.open(0, buffer) is not None:
                pass
        except RemoteProtocolError:
            pass


CHECKS: dict[str, Callable[[bytes], None]] = {
    "ssh_sftp": sftp,
    "ssh_channel": channel,
    "ssh_login": login,
    "ssh_packets": packets,
}
