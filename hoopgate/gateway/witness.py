"""A witness over HTTP, and what a node does about its own witnesses."""

from __future__ import annotations

import sys
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger, LogLevel
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from hoopgate.errors import SettingsError
from hoopgate.gateway.logging import log_event
from hoopgate.gateway.metrics import DEGRADED, FAILED, OK, Metrics
from hoopgate.gateway.tls import ServerContext
from hoopgate.gateway.web import QuietRequest, QuietSite
from hoopgate.recorder.cosign import COSIGNATURE, ML_DSA, Cosigner, WitnessKey
from hoopgate.recorder.cosigning import Peer
from hoopgate.recorder.errors import BadNote
from hoopgate.recorder.files import make_directory, replace_file
from hoopgate.recorder.gate import Log
from hoopgate.recorder.note import Verifier
from hoopgate.recorder.timestamping import Authority, TimestampFailed
from hoopgate.recorder.witness import PLAIN, Answer, Witness
from hoopgate.settings.model import Recording, TimestampAuthority
from hoopgate.settings.model import Witness as WitnessSettings

log = Logger()

KEY = "witness.key"
ML_DSA_KEY = "witness.ml-dsa-44.key"


def open_witness(settings: WitnessSettings) -> Witness:
    """The witness, with its key, which is made at the first start.

    Its verifier key is written to ``vkey`` in its directory, for the policies of others.

    :raises SettingsError: a key is not what it should be.
    :raises OSError: the directory cannot be used.
    """
    make_directory(settings.directory, 0o700)
    try:
        cosigner = _cosigner(settings, KEY, COSIGNATURE)
        more = [_cosigner(settings, ML_DSA_KEY, ML_DSA)] if settings.ml_dsa else []
        logs = [Verifier.parse(key) for key in settings.logs]
    except BadNote as error:
        raise SettingsError([f"witness: {error}"]) from error
    replace_file(settings.directory / "vkey", f"{cosigner.verifier}\n".encode())
    for one in more:
        replace_file(settings.directory / "vkey.ml-dsa-44", f"{one.verifier}\n".encode())

    def conflict(origin: str) -> None:
        log_event(log, "witness.conflict", LogLevel.critical, code="conflict")

    return Witness(settings.directory, cosigner, logs, on_conflict=conflict, more=more)


def _cosigner(settings: WitnessSettings, name: str, kind: bytes) -> Cosigner:
    path = settings.directory / name
    if not path.exists():
        return Cosigner.create(path, settings.name, kind)
    cosigner = Cosigner.load(path)
    if cosigner.name != settings.name or cosigner.verifier.kind != kind:
        raise SettingsError(
            [
                f"witness.name: {path} is the key of {cosigner.name}; write that, "
                "or another witness.directory"
            ]
        )
    return cosigner


class _Pages(Resource):
    isLeaf = True

    def __init__(self, witness: Witness, reactor: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._witness = witness
        self._reactor = reactor

    def render(self, request: QuietRequest) -> int:
        if request.path != b"/add-checkpoint":
            request.answer(404, PLAIN, b"POST /add-checkpoint is here\n")
        elif request.method != b"POST":
            request.answer(405, PLAIN, b"only POST\n", Allow="POST")
        elif request.oversized:
            request.answer(413, PLAIN, b"the request is too large\n")
        else:
            assert request.content is not None
            asked: Deferred[Answer] = deferToThreadPool(
                self._reactor,
                self._reactor.getThreadPool(),
                self._witness.add_checkpoint,
                request.content.read(),
            )
            asked.addCallbacks(self._answer, self._failed, callbackArgs=(request,))
            asked.addErrback(lambda _: request.answer(500, PLAIN, b"the witness failed\n"))
        return NOT_DONE_YET

    def _answer(self, answer: Answer, request: QuietRequest) -> None:
        request.answer(answer.status, answer.content_type, answer.body)

    def _failed(self, failure: Failure) -> Failure:
        log.failure("witness.failed", failure)
        return failure


class WitnessService(Service):
    """Serves a witness. Its port is bound before privileges are dropped."""

    def __init__(self, settings: WitnessSettings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Read the keys and bind the port.

        :raises SystemExit: something of that cannot be done.
        """
        try:
            site: Any = QuietSite(
                _Pages(open_witness(self._settings), self._reactor), self._reactor
            )
            if self._settings.tls is not None:
                context = ServerContext(self._settings.tls, (b"http/1.1",))
                site = TLSMemoryBIOFactory(context, False, site, self._reactor)
                site.noisy = False
        except (SettingsError, OSError) as error:
            print(f"hoopgate: {error}", file=sys.__stderr__)
            raise SystemExit(1) from None
        listening = serverFromString(self._reactor, self._settings.endpoint).listen(site)
        listening.addCallbacks(self._bound, self._not_bound)

    def _bound(self, port: IListeningPort) -> None:
        self._port = port

    def _not_bound(self, failure: Failure) -> None:
        print(f"hoopgate: {failure.getErrorMessage()}", file=sys.__stderr__)
        raise SystemExit(1)

    def stopService(self) -> Deferred[None] | None:
        """Take no more requests."""
        Service.stopService(self)
        port, self._port = self._port, None
        return None if port is None else port.stopListening()


def seek_witnesses(recorder: Log, settings: Recording, metrics: Metrics) -> None:
    """Have the log's checkpoints cosigned and timestamped as the settings say.

    :raises SettingsError: a witness's key, or an authority's certificate, is not one.
    """
    if settings.timestamps is not None:
        _seek_timestamps(recorder, settings.timestamps, metrics)
    if not settings.witnesses:
        return
    peers = []
    for one in settings.witnesses:
        try:
            peers.append(Peer(one.name, WitnessKey.parse(one.key), one.url, one.ca_file))
        except BadNote as error:
            raise SettingsError([f"recording.witnesses: {one.name}: {error}"]) from error

    def changed(peer: Peer) -> None:
        if peer.disagrees:
            log_event(log, "witness.disagrees", LogLevel.critical, code="disagrees")
        elif peer.away:
            log_event(log, "witness.away", LogLevel.error, code="away")
        else:
            log_event(log, "witness.back", code="back")

    def state() -> str:
        if any(peer.disagrees for peer in peers):
            return FAILED
        return DEGRADED if any(peer.away for peer in peers) else OK

    recorder.outside.on_witness = changed
    recorder.outside.witness(peers, settings.quorum)
    metrics.health.check("witnesses", state)


def _seek_timestamps(recorder: Log, settings: TimestampAuthority, metrics: Metrics) -> None:
    try:
        authority = Authority(settings.url, settings.roots.read_bytes(), settings.ca_file)
    except (TimestampFailed, OSError) as error:
        raise SettingsError([f"recording.timestamps.roots: {error}"]) from error
    state = [OK]

    def changed(failing: bool) -> None:
        state[0] = DEGRADED if failing else OK
        if failing:
            log_event(log, "timestamps.away", LogLevel.error)
        else:
            log_event(log, "timestamps.back")

    recorder.outside.on_timestamps = changed
    recorder.outside.timestamp(authority, settings.interval_seconds)
    metrics.health.check("timestamps", lambda: state[0])
