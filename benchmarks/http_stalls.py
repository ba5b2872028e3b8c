"""How long others wait while 15 MiB of FHIR are masked: ``python -m benchmarks.http_stalls``.

One client fetches a bundle over and over, another asks for something small every few milliseconds.
"""

from __future__ import annotations

import json
import ssl
import sys
import tempfile
import threading
import time
from http.client import HTTPSConnection
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from testbed.certificates import Certificates
from testbed.fhirserver import patients
from testbed.gateway import Gateway
from testbed.issuer import TestIssuer
from testbed.webclinic import AGENTS, REVIEWERS, web_clients, web_resource, web_settings

from hoopgate.http.codings import Identity
from hoopgate.http.headers import Links
from hoopgate.http.rewriting import Recipe
from hoopgate.plans import BodyPlan

SIZE = 15 * 2**20
SECONDS = 15.0


def bundle() -> bytes:
    """A searchset of about ``SIZE`` bytes."""
    some = patients(200, 1)
    each = len(json.dumps(some)) // len(some)
    entries = [{"resource": some[n % len(some)]} for n in range(SIZE // each)]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


class _Talk(StreamRequestHandler):
    body = b""

    def handle(self) -> None:
        while line := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            body = self.body if b"/Observation?" in line else b'{"resourceType": "Basic"}'
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            self.wfile.write(head.encode() + b"\r\n\r\n" + body)


def main() -> None:
    """Print the waits of the small requests, in milliseconds."""
    _Talk.body = bundle()
    recipe = Recipe("fhir", BodyPlan(()), b"application/json", Links((), "", "x"), limit=2 * SIZE)
    rewriter = recipe.made(Identity(), None)
    assert rewriter is not None
    began = time.perf_counter()
    rewriter.show(_Talk.body)
    whole = time.perf_counter() - began
    print(f"{len(_Talk.body) / 2**20:.1f} MiB, masked in one go: {whole * 1000:.0f} ms")
    directory = Path(tempfile.mkdtemp())
    certificates = Certificates(directory)
    upstream = ThreadingTCPServer(("127.0.0.1", 0), _Talk)
    upstream.daemon_threads = True
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    resources = [web_resource("ehr", upstream.server_address[1], http={"format": "fhir"})]
    rules = [{"name": "all", "verdict": "allow", "match": {"groups": ["agents"]}}]
    with TestIssuer(web_clients("hoopgate:ehr"), {**AGENTS, **REVIEWERS}, certificates) as issuer:
        settings = web_settings(directory, certificates, issuer, resources, rules, [])
        with Gateway(directory, settings, certificates) as gateway:
            token = issuer.token("executor", resources=["hoopgate"])
            _measure(gateway.port, str(certificates.ca), token)
    upstream.shutdown()


def _measure(port: int, authority: str, token: str) -> None:
    context = ssl.create_default_context(cafile=authority)
    headers = {"Authorization": f"Bearer {token}"}
    over = threading.Event()
    fetched = [0]

    def ask(connection: HTTPSConnection, path: str) -> int:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        size = len(answer.read())
        assert answer.status == 200, answer.status
        return size

    def fetch() -> None:
        connection = HTTPSConnection("127.0.0.1", port, context=context)
        while not over.is_set():
            ask(connection, "/ehr/Observation?code=a")
            fetched[0] += 1

    small = HTTPSConnection("127.0.0.1", port, context=context)
    for busy in (False, True):
        thread = threading.Thread(target=fetch)
        if busy:
            thread.start()
        waits = []
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            began = time.perf_counter()
            ask(small, "/ehr/Basic/1")
            waits.append(time.perf_counter() - began)
            time.sleep(0.005)
        over.set()
        if busy:
            thread.join()
        else:
            over.clear()
        waits.sort()
        told = " ".join(
            f"{name} {waits[min(len(waits) - 1, int(len(waits) * part))] * 1000:.1f}"
            for name, part in (("median", 0.5), ("99%", 0.99), ("longest", 1.0))
        )
        print(f"{'beside bundles' if busy else 'alone'}: {told} ms")
    print(f"bundles: {fetched[0]}, {fetched[0] * len(_Talk.body) / 2**20 / SECONDS:.1f} MiB/s")


if __name__ == "__main__":
    main()
