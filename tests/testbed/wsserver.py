"""A WebSocket server of the tests, of PyPI's ``websockets``: echoes, pushes, closes, as asked.

Run as a program it serves on the port that it prints. What it says of its patient is all that two
of them differ in.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from websockets.sync.server import ServerConnection, serve

from testbed.process import Server

PATIENT = {"name": "Nobody", "ssn": "000-00-0000"}


def _answer(path: str, connection: ServerConnection) -> None:
    name, ssn = PATIENT["name"], PATIENT["ssn"]
    if path.startswith("/head"):
        seen = {key.lower(): value for key, value in connection.request.headers.raw_items()}  # type: ignore[union-attr]
        connection.send(json.dumps(seen))
    elif path.startswith("/close"):
        connection.close(4321, f"for {name}")
    elif path.startswith("/push"):
        for number in range(int(path.rpartition("/")[2])):
            connection.send(json.dumps({"id": number, "name": name, "ssn": ssn}))
        connection.close()
    elif path.startswith("/odd"):
        odd = sum(map(ord, ssn)) % 2  # of the one, and not of the other
        forms: dict[str, str | bytes | list[str]] = {
            "json": json.dumps({"id": "1", "name": name, "ssn": ssn, "note": name}),
            "pieces": [*json.dumps({"id": "2", "name": name})],
            "text": f"{name} has {ssn}",
            "binary": name.encode(),
            "cut": json.dumps({"name": name})[:-1],
            "twice": f'{{"name": "x", "name": "{name}"}}',
            "control": '{"name": "%s"}' % ("\x01" if odd else "A"),
            "surrogate": '{"name": "%s"}' % (r"\ud800" if odd else r"\ud83d\ude00"),
            "number": '{"ssn": %s}' % ("1e400" if odd else "7"),
            "array": json.dumps([{"id": 1, "ssn": ssn}]),
        }
        connection.send(forms[path.rpartition("/")[2]])
        connection.send('{"id": "last"}')
    for message in connection:
        if message == "ping me":
            connection.ping(name.encode()).wait(60)
            connection.send('"ponged"')
        else:
            connection.send(message)


def _serve(connection: ServerConnection) -> None:
    assert connection.request is not None
    _answer(connection.request.path.removeprefix("/base"), connection)


class WSServer:
    """Runs this file as a child process.

    :ivar port: on 127.0.0.1, once started.
    """

    def __init__(
        self, directory: Path, patient: tuple[str, str] = ("Nobody", "000-00-0000")
    ) -> None:
        self._log = directory / f"ws-{patient[1]}.log"
        self._patient = patient
        self._server: Server | None = None
        self.port = 0

    def __enter__(self) -> WSServer:
        self._server = Server(
            [sys.executable, "-m", "testbed.wsserver", *self._patient],
            log=self._log,
            environment={"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        self._server.wait_until(self._ready, 120)
        return self

    def _ready(self) -> bool:
        text = self._log.read_text()
        if "port " not in text:
            return False
        self.port = int(text.split("port ")[1].split()[0])
        return True

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()


if __name__ == "__main__":
    PATIENT.update(name=sys.argv[1], ssn=sys.argv[2])
    options = {
        "select_subprotocol": lambda _, offered: offered[0] if offered else None,
        "max_size": 2**23,
    }
    with serve(_serve, "127.0.0.1", 0, **options) as server:  # type: ignore[arg-type]
        print("port", server.socket.getsockname()[1], flush=True)
        server.serve_forever()
