"""``/metrics`` for Prometheus and ``/healthz``, on a loopback listener of their own.

No label holds an identity, a statement or anything a client chose: labels are names from the
settings and closed lists, and what does not look like one counts as ``other``. The registry is
ours, so that a library which registers metrics of its own adds nothing to the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from hoopgate.gateway.web import QuietRequest, QuietSite

OK, DEGRADED, FAILED = "ok", "degraded", "failed"

_VALUES = 200  #: different combinations of labels per metric at most
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_RULE = re.compile(r"[A-Za-z0-9._-]{1,64}/[A-Za-z0-9._-]{1,64}")
_OTHER = "other"

#: Seconds. A commit is an fdatasync: below a millisecond on NVMe, tens of them on a disk.
_COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
_COMMIT_ENTRIES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

M = TypeVar("M", Counter, Gauge)


class _Labelled(Generic[M]):
    """A metric's children by their labels: a plain look-up on the hot path, bounded in number."""

    def __init__(self, metric: M, *words: re.Pattern[str]) -> None:
        self._metric: M = metric
        self._words = words  # of the first labels; the others are plain words
        self._children: dict[tuple[str, ...], M] = {}

    def __call__(self, *labels: str) -> M:
        child = self._children.get(labels)
        if child is not None:
            return child
        if len(self._children) >= _VALUES:
            # Not kept: the dict is full of real values, and these share one child anyway.
            shared: M = self._metric.labels(*(_OTHER for _ in labels))
            return shared
        words = (*self._words, *[_WORD] * (len(labels) - len(self._words)))
        good = [word.fullmatch(label) for word, label in zip(words, labels, strict=True)]
        made: M = self._metric.labels(
            *(label if one else _OTHER for one, label in zip(good, labels, strict=True))
        )
        if all(good):
            self._children[labels] = made
        return made


class Health:
    """What ``/healthz`` says. Checks are asked at every request: let them be cheap.

    :ivar draining: the node takes no new sessions.
    """

    def __init__(self) -> None:
        self.draining = False
        self._checks: dict[str, Callable[[], str]] = {}

    def check(self, name: str, state: Callable[[], str]) -> None:
        """Ask ``state`` for ``ok``, ``degraded`` or ``failed`` under ``name``."""
        self._checks[name] = state

    def report(self) -> tuple[bool, dict[str, object]]:
        """Whether the node may get new sessions, and the page."""
        checks = {name: _asked(state) for name, state in self._checks.items()}
        states = set(checks.values())
        status = FAILED if FAILED in states else DEGRADED if DEGRADED in states else OK
        page: dict[str, object] = {"status": status, "draining": self.draining, "checks": checks}
        return status != FAILED and not self.draining, page


def _asked(state: Callable[[], str]) -> str:
    try:
        answer = state()
    except Exception:  # noqa: BLE001  (a check that breaks is a check that fails)
        return FAILED
    return answer if answer in (OK, DEGRADED) else FAILED


class Metrics:
    """The node's counters. Methods are cheap and may be called from any thread.

    :ivar health: what ``/healthz`` says.
    """

    def __init__(self) -> None:
        self.health = Health()
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"hoopgate_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"hoopgate_{name}", text, labels, registry=registry)

        self._sessions = _Labelled(counter("sessions", "Sessions opened.", "protocol", "resource"))
        self._open = _Labelled(gauge("sessions_open", "Sessions open.", "protocol", "resource"))
        self._statements = _Labelled(
            counter("statements", "Statements judged, by verdict.", "resource", "verdict")
        )
        self._monitored = _Labelled(
            counter("monitored", "Statements that a monitored rule is about.", "resource", "rule"),
            *(_WORD, _RULE),
        )
        self._identity = _Labelled(
            counter("identity_failures", "Credentials not accepted, by reason.", "code")
        )
        self._holds = counter("holds", "Statements held for a person.")
        self._waiting = gauge("holds_waiting", "Statements that wait for a person now.")
        self._cancels = counter("cancels", "Cancel requests passed on.")
        self._log_entries = gauge("log_entries", "Entries in the log.")
        self._commit_seconds = Histogram(
            "hoopgate_commit_seconds",
            "Time until a batch of entries was durable.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._commit_entries = Histogram(
            "hoopgate_commit_entries",
            "Entries per batch.",
            buckets=_COMMIT_ENTRIES,
            registry=registry,
        )

    def session_opened(self, protocol: str, resource: str) -> None:
        """A session passed its login."""
        self._sessions(protocol, resource).inc()
        self._open(protocol, resource).inc()

    def session_closed(self, protocol: str, resource: str) -> None:
        """A session that was opened has ended."""
        self._open(protocol, resource).dec()

    def statement(self, resource: str, verdict: str) -> None:
        """A statement was judged: ``allow``, ``mask``, ``block``, ``hold``."""
        self._statements(resource, verdict).inc()

    def monitored(self, resource: str, rule: str) -> None:
        """A rule in monitor mode would have blocked or held a statement."""
        self._monitored(resource, rule).inc()

    def hold_started(self) -> None:
        """A statement waits for a person."""
        self._holds.inc()
        self._waiting.inc()

    def hold_ended(self) -> None:
        """It waits no longer, whatever the answer."""
        self._waiting.dec()

    def cancel(self) -> None:
        """A cancel request was passed on to a backend."""
        self._cancels.inc()

    def identity_failure(self, code: str) -> None:
        """A credential was not accepted; ``code`` as in :class:`IdentityRefused`."""
        self._identity(code).inc()

    def commit(self, seconds: float, entries: int) -> None:
        """A batch of the log became durable."""
        self._commit_seconds.observe(seconds)
        self._commit_entries.observe(entries)

    def log_size(self, entries: int) -> None:
        """Entries in the log now."""
        self._log_entries.set(entries)

    def page(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Pages(Resource):
    isLeaf = True

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._metrics = metrics

    def render(self, request: QuietRequest) -> int:
        if request.method not in (b"GET", b"HEAD"):
            request.answer(405, "text/plain", b"only GET\n", Allow="GET, HEAD")
        elif request.path == b"/metrics":
            request.answer(200, CONTENT_TYPE_LATEST, self._metrics.page())
        elif request.path == b"/healthz":
            serving, page = self._metrics.health.report()
            body = json.dumps(page).encode() + b"\n"
            request.answer(200 if serving else 503, "application/json", body)
        else:
            request.answer(404, "text/plain", b"/metrics and /healthz are here\n")
        return NOT_DONE_YET


def metrics_site(metrics: Metrics, reactor: IReactorTime | None = None) -> QuietSite:
    """The site for ``node.metrics``. It knows no login: keep its listener on the loopback."""
    return QuietSite(_Pages(metrics), reactor)
