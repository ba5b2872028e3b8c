"""rsyslogd with TLS (Debian rsyslog, rsyslog-openssl): what it receives goes to a file."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from testbed.certificates import Certificates
from testbed.parts import MissingPart, debian
from testbed.ports import free_port
from testbed.process import Server

_CONFIG = """
global(
  workDirectory="{base}"
  maxMessageSize="64k"
  defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{certificate}"
  defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="parts" type="string" string="{parts}\\n")
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfile" file="{out}" template="parts")
"""
#: Of RFC 5424; the message's text is the last.
_PARTS = (
    *("pri", "protocol-version", "timereported:::date-rfc3339", "hostname", "app-name", "procid"),
    *("msgid", "structured-data", "msg"),
)


class Rsyslog:
    """A syslog server on 127.0.0.1.

    :ivar out: a line per message: the parts of RFC 5424, separated by tabs.
    """

    def __init__(self, base: Path, certificates: Certificates) -> None:
        self.out = base / "messages"
        self.port = free_port()
        self._base = base
        self._program = debian("rsyslogd", "rsyslog rsyslog-openssl")
        if not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so")):
            raise MissingPart("rsyslog's TLS", "apt-get install rsyslog-openssl   (or: make parts)")
        pair = certificates.server
        text = _CONFIG.format(
            base=base,
            parts="\\t".join(f"%{part}%" for part in _PARTS),
            ca=certificates.ca,
            certificate=pair.certificate,
            key=pair.key,
            port=self.port,
            out=self.out,
        )
        (base / "rsyslog.conf").write_text(text)

    def __enter__(self) -> Rsyslog:
        command = [
            *(self._program, "-n", "-f", self._base / "rsyslog.conf"),
            *("-i", self._base / "rsyslog.pid"),
        ]
        self._server = Server(command, log=self._base / "rsyslog.log")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        self._server.stop()
        raise AssertionError((self._base / "rsyslog.log").read_text())

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def messages(self, count: int) -> list[list[str]]:
        """Wait until that many are there."""
        end = time.monotonic() + 60
        found: list[str] = []
        while time.monotonic() < end:
            found = self.out.read_text().splitlines() if self.out.exists() else []
            if len(found) >= count:
                break
            time.sleep(0.05)
        return [line.split("\t") for line in found]
