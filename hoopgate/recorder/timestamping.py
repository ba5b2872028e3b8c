"""RFC 3161 timestamps of checkpoints: an authority of others says that a log was there by then.

A token is kept beside the signed checkpoint that it is of, ``timestamps/<size>.tsr`` and
``<size>.checkpoint``, so that ``openssl ts -verify`` checks it with nothing of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from hoopgate.errors import HoopgateError
from hoopgate.recorder.files import make_directory, number_of, read_whole, replace_file
from hoopgate.recorder.note import Checkpoint, Note
from hoopgate.recorder.posting import NoAnswer, post

TIMESTAMPS = "timestamps"
TIMEOUT = 20.0
_RETRY_SECONDS = 60.0


class TimestampFailed(HoopgateError):
    """No token, or not one of this checkpoint by this authority. Quotes no answer."""


class Authority:
    """A timestamping authority.

    :param roots: PEM: its root certificates, and intermediate ones that its tokens lack.
    """

    def __init__(self, url: str, roots: bytes, ca_file: Path | None = None) -> None:
        """:raises TimestampFailed: no certificates."""
        self._url = url
        self._ca_file = ca_file
        try:
            self._certificates = x509.load_pem_x509_certificates(roots)
        except ValueError:
            raise TimestampFailed("no certificates (PEM) to verify timestamps with") from None

    def stamp(self, data: bytes) -> tuple[bytes, datetime]:
        """A token for ``data``, DER, verified; and its time. Blocks.

        :raises TimestampFailed: there is none.
        """
        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        answer = self._post(request.as_bytes())
        return answer, self.verify(answer, data, request.nonce)

    def verify(self, token: bytes, data: bytes, nonce: int | None = None) -> datetime:
        """When the authority saw ``data``.

        :raises TimestampFailed: it is not its token, or not of ``data``.
        """
        builder = VerifierBuilder(nonce=nonce)
        for certificate in self._certificates:
            if certificate.issuer == certificate.subject:
                builder = builder.add_root_certificate(certificate)
            else:
                builder = builder.add_intermediate_certificate(certificate)
        try:
            response: TimeStampResponse = decode_timestamp_response(token)
            builder.build().verify_message(response, data)
            return response.tst_info.gen_time
        except (VerificationError, ValueError) as error:
            raise TimestampFailed(
                f"the timestamp is not the authority's word for this ({type(error).__name__})"
            ) from None

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query"}
        try:
            # Without TLS, too: a token is signed, and nobody on the way can make one.
            answer = post(self._url, body, timeout=TIMEOUT, ca_file=self._ca_file, headers=headers)
        except NoAnswer as error:
            raise TimestampFailed(f"no answer ({error})") from None
        if answer.status != 200:
            raise TimestampFailed(f"HTTP status {answer.status}")
        return answer.body


class Timestamping(threading.Thread):
    """Has a checkpoint timestamped once an interval, when the log has grown.

    :param changed: called from this thread: "" when a token came, else why none did.
    """

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        interval: float,
        changed: Callable[[str], object],
        retry: float = _RETRY_SECONDS,
    ) -> None:
        super().__init__(name="hoopgate-log-timestamping", daemon=True)
        self.failing = ""
        self._directory = directory / TIMESTAMPS
        self._authority = authority
        self._interval = interval
        self._changed = changed
        self._retry = min(retry, interval)
        self._newest = b""
        self._stamped = b""
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def offer(self, note: bytes) -> None:
        """From any thread: the log's newest checkpoint, signed."""
        self._newest = note
        self._wake.set()

    def stop(self) -> None:
        """End; a request under way is not waited for."""
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Until :meth:`stop`."""
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            note = self._newest
            if not note or note == self._stamped or self._stopping.is_set():
                continue
            before = self.failing
            try:
                token, _ = self._authority.stamp(note)
                self._keep(note, token)
                self.failing = ""
                self._stamped = note
            except TimestampFailed as error:
                self.failing = str(error)
                self._wake.set()
            except OSError as error:  # a full disk: what is not kept was not stamped
                self.failing = type(error).__name__
                self._wake.set()
            if self.failing != before:
                self._changed(self.failing)
            self._stopping.wait(self._retry if self.failing else self._interval)

    def _keep(self, note: bytes, token: bytes) -> None:
        make_directory(self._directory)
        size = Checkpoint.parse(Note.parse(note).text).size
        replace_file(self._directory / f"{size}.checkpoint", note)
        replace_file(self._directory / f"{size}.tsr", token)


def timestamps(directory: Path) -> list[tuple[int, bytes, bytes]]:
    """Size, signed checkpoint and token of each timestamp of a log, the smallest first."""
    found = []
    base = directory / TIMESTAMPS
    for path in base.glob("*.tsr") if base.is_dir() else ():
        if number_of(path.stem) >= 0:
            note = path.with_suffix(".checkpoint")
            found.append((int(path.stem), read_whole(note), read_whole(path)))
    return sorted(found)
