"""Reading secrets where the settings say they are: a file, the environment, a command.

A secret is never kept, logged or quoted in an error.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThread, deferToThreadPool
from zope.interface import implementer

from hoopgate.errors import Refused
from hoopgate.events import Principal
from hoopgate.interfaces import ISecretSource
from hoopgate.settings.model import LDAPDirectory, Resource, Secret, Settings

COMMAND_SECONDS = 10.0
MAXIMUM_BYTES = 65_536
#: Reads at the same time: a hanging command may not take all of the reactor's threads.
_CONCURRENT = 4


def read_secret(secret: Secret) -> str:
    """Read a secret. Blocks: for threads and commands, not for the reactor.

    :raises Refused: ``secret.missing``, ``secret.permissions``, ``secret.unreadable``,
        ``secret.command``, ``secret.empty``.
    """
    if secret.file is not None:
        data = read_private_file(secret.file)
    elif secret.environment is not None:
        value = os.environb.get(os.fsencode(secret.environment))
        if value is None:
            raise Refused("secret.missing", f"environment variable {secret.environment} is not set")
        data = value
    elif secret.command:
        data = _run(secret.command)
    else:
        raise Refused("secret.missing", "no file, environment variable or command is set")
    text = _text(data)
    if not text:
        raise Refused("secret.empty", "the secret is empty")
    return text


def check_secrets(settings: Settings) -> None:
    """Read every secret once that is in a file or the environment, as a node starts. Commands wait
    until their secret is needed.

    :raises Refused: as :func:`read_secret`, the text says which key of the settings it is.
    """
    secrets = {
        f"resources.{one.name}.credentials.password": one.password
        for one in settings.resources.values()
    }
    if isinstance(settings.directory, LDAPDirectory):
        secrets["directory.bind_password"] = settings.directory.bind_password
    if settings.console is not None:
        secrets["console.client_secret"] = settings.console.client_secret
    if settings.recording.head is not None:
        secrets["recording.head.password"] = settings.recording.head.password
    secrets |= {f"streams.{one.name}.token": one.token for one in settings.streams}
    for key, secret in secrets.items():
        if secret is None or secret.command is not None:
            continue
        try:
            read_secret(secret)
        except Refused as refused:
            raise Refused(refused.code, f"{key}: {refused}") from None


def _text(data: bytes) -> str:
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("secret.unreadable", "the secret is not UTF-8") from None
    if "\0" in text:
        raise Refused("secret.unreadable", "the secret holds a NUL byte")
    return text


def read_private_file(path: Path) -> bytes:
    """The content of a regular file that others cannot read or change.

    :raises Refused: ``secret.unreadable``, ``secret.permissions``.
    """
    try:
        # O_NONBLOCK: opening a FIFO must not wait for its writer
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Refused("secret.unreadable", f"{path}: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("secret.unreadable", f"{path}: not a regular file")
        if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            raise Refused("secret.permissions", f"{path}: others may read or change it; chmod 600")
        if status.st_uid not in (0, os.geteuid()):
            raise Refused("secret.permissions", f"{path}: owned by another user")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise Refused("secret.unreadable", f"{path}: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(data) > MAXIMUM_BYTES:
        raise Refused("secret.unreadable", f"{path}: larger than {MAXIMUM_BYTES} bytes")
    return data


def _run(command: tuple[str, ...]) -> bytes:
    program = command[0]
    try:
        # A session of its own: on timeout its children end with it and let go of the pipe.
        process = subprocess.Popen(  # noqa: S603 - from the operator's settings, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise Refused("secret.command", f"{program}: {error.strerror}") from None
    try:
        data = _output(process, time.monotonic() + COMMAND_SECONDS)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise Refused(
            "secret.command", f"{program}: no secret within {COMMAND_SECONDS:g} seconds"
        ) from None
    finally:
        _end(process)
    if len(data) > MAXIMUM_BYTES:
        raise Refused("secret.command", f"{program}: more than {MAXIMUM_BYTES} bytes")
    if process.returncode != 0:
        raise Refused("secret.command", f"{program}: exit status {process.returncode}")
    return data


def _output(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """Standard output of a command that ends in time, little more than the bound at most."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    data = b""
    while len(data) <= MAXIMUM_BYTES:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError
        chunk = os.read(descriptor, MAXIMUM_BYTES)
        if not chunk:
            break
        data += chunk
    else:
        return data  # too long: refused by our caller, whatever its exit status will be
    process.wait(max(0.0, deadline - time.monotonic()))
    return data


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command, with its children, that has not ended by itself."""
    if process.returncode is None:
        # Not waited for yet: its id, and with it its group's, cannot be another's by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@implementer(ISecretSource)
class SecretSource:
    """Backend passwords as the resource's settings say, read anew at every use."""

    def __init__(self, reactor: Any = None) -> None:
        """:param reactor: whose threads read; the installed one by default."""
        self._reactor = reactor
        self._slots = DeferredSemaphore(_CONCURRENT)

    def password(self, resource: Resource, principal: Principal) -> Deferred[str]:
        """Fails with :class:`Refused` (``secret.…``)."""
        return self.read(resource.password or Secret())

    def read(self, secret: Secret) -> Deferred[str]:
        """Read ``secret`` on a thread. Fails with :class:`Refused` (``secret.…``)."""
        reading: Deferred[Any] = self._slots.run(self._on_thread, secret)
        return reading

    def _on_thread(self, secret: Secret) -> Deferred[str]:
        if self._reactor is None:
            return deferToThread(read_secret, secret)
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), read_secret, secret)
