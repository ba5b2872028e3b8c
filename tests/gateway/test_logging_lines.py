"""The log: one JSON object per line, and a canary that gets into none of them by any way."""

from __future__ import annotations

import ast
import gc
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

import hoopgate
from hoopgate.errors import Refused
from hoopgate.gateway import logging
from hoopgate.gateway.logging import (
    NUMBERS,
    SENTENCES,
    WORDS,
    JSONObserver,
    ReopenedFile,
    install,
    log_event,
    observer,
)

CANARY = "219-09-9999"
TWISTD = Path(sys.executable).with_name("twistd")


class Log:
    """A publisher with our observer, and the lines it wrote."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.publisher = LogPublisher(JSONObserver(self.file))
        self.ours = Logger(namespace="hoopgate.test", observer=self.publisher)
        self.theirs = Logger(namespace="somebody.else", observer=self.publisher)
        self.twisteds = Logger(namespace="twisted.test", observer=self.publisher)

    @property
    def lines(self) -> list[dict[str, Any]]:
        text = self.file.getvalue()
        assert CANARY not in text
        assert text.isascii()
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def log() -> Log:
    return Log()


def test_an_event_with_what_its_keys_may_hold(log: Log) -> None:
    log_event(
        log.ours,
        "session.open",
        session="ses-1",
        resource="clinic",
        peer="[2001:db8::1]:5432",
        rules_digest="ab" * 32,
        seconds=0.25,
        full=False,
        reason="the directory does not answer",
    )
    log_event(log.ours, "node.failed", LogLevel.critical, code="recorder.failed")
    first, second = log.lines
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "namespace": "hoopgate.test",
        "event": "session.open",
        "session": "ses-1",
        "resource": "clinic",
        "peer": "[2001:db8::1]:5432",
        "rules_digest": "ab" * 32,
        "seconds": 0.25,
        "full": False,
        "reason": "the directory does not answer",
    }
    assert (second["level"], second["event"]) == ("critical", "node.failed")
    assert second["code"] == "recorder.failed"


def test_every_other_keyword_is_dropped(log: Log) -> None:
    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("asked for its repr")

        __str__ = __repr__

    log_event(
        log.ours,
        "statement.judged",
        sql=CANARY,
        statement=Loud(),
        parameters=[CANARY],
        session=Loud(),
        rule={"a": CANARY},
        code=f"two words {CANARY}",
        peer=f"x\n{CANARY}",
        count=CANARY,
        seconds=None,
        request_id=CANARY.encode(),
    )
    (line,) = log.lines
    assert set(line) == {"time", "level", "namespace", "event"}


def test_templates_stay_unfilled(log: Log) -> None:
    log.ours.warn("the parser said {problem}", problem=CANARY)
    log.twisteds.info("Timing out client: {peer} {reason}", peer=CANARY, reason=CANARY)
    log.theirs.info("secret {x} " + CANARY, x=CANARY)
    assert [line["event"] for line in log.lines] == [
        "the parser said {problem}",
        "Timing out client: {peer} {reason}",
        "message",
    ]
    assert "peer" not in log.lines[1]


def test_exceptions_are_types_and_places(log: Log) -> None:
    def inner(secret: str) -> None:
        raise KeyError(secret)

    try:
        try:
            inner(CANARY)
        except KeyError as error:
            raise Refused("parse.syntax", f"near {CANARY}") from error
    except Refused:
        log.ours.failure("session.bug", detail=CANARY)
    (line,) = log.lines
    assert line["event"] == "session.bug"
    assert line["level"] == "critical"
    told = line["exception"]
    assert told["type"] == "hoopgate.errors.Refused"
    assert told["code"] == "parse.syntax"
    assert told["cause"] == "builtins.KeyError"
    (place,) = told["at"]
    assert place.startswith("tests/gateway/test_logging_lines.py:")
    assert place.endswith(" test_exceptions_are_types_and_places")


def test_a_failure_with_captured_variables(log: Log) -> None:
    secret = CANARY
    try:
        raise ValueError(secret)
    except ValueError:
        failure = Failure(captureVars=True)
    log.theirs.failure("it said " + CANARY, failure)
    (line,) = log.lines
    assert line["exception"]["type"] == "builtins.ValueError"


def test_an_observer_never_raises() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "no space")

    JSONObserver(Full())({"log_format": "x", "log_namespace": "hoopgate", "log_level": None})
    file = io.StringIO()
    JSONObserver(file)({"log_time": "yesterday", "log_namespace": "hoopgate.x"})
    assert json.loads(file.getvalue())["event"] == "log.failed"
    assert verifyObject(ILogObserver, JSONObserver(file))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(
        st.sampled_from(sorted(WORDS | NUMBERS | SENTENCES | {"log_format", "log_failure", "x"})),
        anything,
    ),
    st.sampled_from(["hoopgate.x", "twisted.x", "x", ""]),
)
def test_any_event_is_one_line_of_ascii(event: dict[str, Any], namespace: str) -> None:
    file = io.StringIO()
    JSONObserver(file)({"log_namespace": namespace, "log_level": LogLevel.info, **event})
    text = file.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert all(" " <= character <= "~" for character in text[:-1])
    line = json.loads(text)
    assert line["event"] != "log.failed"
    assert not any(isinstance(value, bytes | list | dict) for value in line.values())
    for key in line.keys() & WORDS:
        assert " " not in line[key]


def templates() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger in hoopgate."""
    for path in Path(hoopgate.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = ast.unparse(node.func)
            method = called.rpartition(".")[2]
            if called == "log_event" or (
                method in {"debug", "info", "warn", "error", "critical", "failure"}
                and called.rpartition(".")[0].rpartition(".")[2] in {"log", "_log", "logger"}
            ):
                yield f"{path.name}:{node.lineno}", node


def test_our_templates_are_constants() -> None:
    """The observer writes templates of ours as they are: none may be put together."""
    found = list(templates())
    assert len(found) > 3
    for place, call in found:
        template = call.args[1 if ast.unparse(call.func) == "log_event" else 0]
        assert isinstance(template, ast.Constant), place


def test_the_file_is_private_and_follows_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "hoopgate.log"
    file = ReopenedFile(path)
    write = JSONObserver(file)
    write({"log_format": "one", "log_namespace": "hoopgate"})
    assert path.stat().st_mode & 0o777 == 0o600
    path.rename(tmp_path / "old")
    write({"log_format": "two", "log_namespace": "hoopgate"})
    file.reopen()
    write({"log_format": "three", "log_namespace": "hoopgate"})
    path.rename(tmp_path / "older")
    tmp_path.rename(tmp_path.with_name("gone"))
    file.reopen()  # cannot: the open file stays
    write({"log_format": "four", "log_namespace": "hoopgate"})

    def events(name: str) -> list[str]:
        lines = (tmp_path.with_name("gone") / name).read_text().splitlines()
        return [json.loads(line)["event"] for line in lines]

    assert events("old") == ["one", "two"]
    assert events("older") == ["three", "four"]
    file.close()


@pytest.fixture
def restored() -> Iterator[None]:
    before = logging._destination
    yield
    logging._destination = before


@pytest.mark.usefixtures("restored")
def test_install_leaves_an_explicit_choice() -> None:
    for chosen in ({"logger": "some.observer"}, {"syslog": True}):
        options: dict[str, Any] = dict(chosen)
        install(options)
        assert options == chosen


@pytest.mark.usefixtures("restored")
def test_a_daemon_has_no_standard_output() -> None:
    install({"logfile": "-", "nodaemon": False})
    with pytest.raises(SystemExit, match="stdout"):
        observer()


# --- under the real twistd ---------------------------------------------------------------------

PLUGIN = """
import gc, os, sys, warnings
from twisted.application.service import Service, ServiceMaker
from twisted.internet import defer
from twisted.logger import Logger
from twisted.python import log as legacy, usage

CANARY = "-".join(["219", "09", "9999"])

class Options(usage.Options):
    def postOptions(self):
        from hoopgate.gateway.logging import install
        install(self.parent)

class Noisy(Service):
    def startService(self):
        from twisted.internet import reactor
        log = Logger(namespace="hoopgate.canary")
        log.info("session.open", session="ses-1", sql=CANARY)
        log.warn("query {sql}", sql=CANARY)
        Logger(namespace="third.party").info("got " + CANARY, reason=CANARY)
        legacy.msg("legacy " + CANARY, session=CANARY)
        legacy.err(ValueError(CANARY), "why " + CANARY)
        print("printed", CANARY)
        print("printed", CANARY, file=sys.stderr)
        warnings.warn("warned " + CANARY)
        def raises():
            secret = CANARY
            raise KeyError(secret)
        defer.maybeDeferred(raises)
        defer.maybeDeferred(raises).addErrback(lambda f: f.raiseException())
        gc.collect()
        def late():
            raise RuntimeError(CANARY)
        reactor.callLater(0, late)
        reactor.callInThread(late)
        reactor.callLater(0.3, log.info, "node.ready")

def makeService(options):
    return Noisy()

canary = ServiceMaker("canary", "canary_plugin", "says what it should not", "canary")
"""


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "path" / "twisted" / "plugins"
    folder.mkdir(parents=True)
    (tmp_path / "path" / "canary_plugin.py").write_text(PLUGIN)
    (folder / "canary_dropin.py").write_text("from canary_plugin import canary\n")
    return {**os.environ, "PYTHONPATH": str(tmp_path / "path"), "PYTHONDONTWRITEBYTECODE": "1"}


def ready(path: Path) -> bool:
    return path.exists() and '"node.ready"' in path.read_text()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not ready(path):
        assert time.monotonic() < deadline, path.read_text() if path.exists() else "no log"
        time.sleep(0.02)


def checked(text: str) -> list[dict[str, Any]]:
    assert CANARY not in text
    lines = [json.loads(line) for line in text.splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "twistd {version} ({exe} {pyVersion}) starting up."
    assert {"session.open", "query {sql}", "message", "stdio", "warning", "node.ready"} <= set(
        events
    )
    types = [line["exception"]["type"] for line in lines if "exception" in line]
    assert types.count("builtins.KeyError") >= 1
    assert "builtins.ValueError" in types
    assert types.count("builtins.RuntimeError") == 2
    return lines


@pytest.mark.parametrize("explicit", [False, True], ids=["installed", "--logger"])
def test_in_the_foreground_all_output_is_json(
    tmp_path: Path, plugin: dict[str, str], explicit: bool
) -> None:
    output = tmp_path / "output"
    logger = ["--logger", "hoopgate.gateway.logging.observer"] if explicit else []
    with output.open("wb") as file:
        child = subprocess.Popen(
            [TWISTD, "--nodaemon", *logger, "canary"],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=plugin,
            cwd=tmp_path,
        )
    try:
        wait_for(output)
    finally:
        child.terminate()
        child.wait(60)
    checked(output.read_text())


def test_as_a_daemon_into_a_file_that_is_rotated(tmp_path: Path, plugin: dict[str, str]) -> None:
    path, pidfile = tmp_path / "hoopgate.log", tmp_path / "pid"
    command = [TWISTD, "--logfile", path, "--pidfile", pidfile, "canary"]
    started = subprocess.run(
        command, env=plugin, cwd=tmp_path, timeout=60, check=True, capture_output=True
    )
    assert CANARY.encode() not in started.stdout + started.stderr
    pid = int(pidfile.read_text())
    try:
        wait_for(path)
        assert path.stat().st_mode & 0o777 == 0o600
        path.rename(tmp_path / "rotated")
        os.kill(pid, signal.SIGUSR1)
        deadline = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < deadline, "not opened again"
            time.sleep(0.02)
    finally:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while pidfile.exists():
            assert time.monotonic() < deadline, "still runs"
            time.sleep(0.02)
    checked((tmp_path / "rotated").read_text())
    last = [json.loads(line) for line in path.read_text().splitlines()]
    assert last[-1]["event"] == "Server Shut Down."


def test_an_unhandled_deferred_error(log: Log) -> None:
    write = JSONObserver(log.file)
    globalLogPublisher.addObserver(write)
    try:
        fail(ValueError(CANARY))
        waiting: Deferred[None] = Deferred()
        waiting.addCallback(lambda _: {}[CANARY])
        waiting.callback(None)
        del waiting
        gc.collect()
    finally:
        globalLogPublisher.removeObserver(write)
    types = [line["exception"]["type"] for line in log.lines if "exception" in line]
    assert sorted(types) == ["builtins.KeyError", "builtins.ValueError"]


def test_lines_that_would_say_nothing_are_left_out() -> None:
    """A legacy message loses its text, so there is no line; a legacy error is one."""
    file = io.StringIO()
    publisher = LogPublisher(JSONObserver(file))
    legacy = Logger(namespace="log_legacy", observer=publisher)
    client = Logger(namespace="twisted.web.client._HTTP11ClientFactory", observer=publisher)
    legacy.info("{log_text}", log_text="(TCP Port 5432 Closed)")
    client.info("Starting factory {factory!r}", factory=object())
    assert file.getvalue() == ""
    legacy.info("", isError=1, failure=Failure(ValueError(CANARY)))
    client.warn("that may matter")
    kinds = [json.loads(line)["namespace"] for line in file.getvalue().splitlines()]
    assert kinds == ["log_legacy", "twisted.web.client._HTTP11ClientFactory"]
    assert CANARY not in file.getvalue()
