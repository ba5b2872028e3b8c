"""A model of a PostgreSQL server's message flow (manual 55.2), for properties over many programs.

It knows a handful of statements; what real servers do is checked against real servers in
``tests/e2e``. Labelled values in its rows hold :data:`REAL`.
"""

from __future__ import annotations

from session_play import FIELDS, row

from hoopgate.postgres import wire

REAL = b"123-45-6789"


class _Failed(Exception):
    pass


class ModelServer:
    """Answers a stream of frontend messages."""

    def __init__(self) -> None:
        self._reader = wire.FrontendReader(1 << 20)
        self.statements: dict[bytes, bytes] = {}
        self.portals: dict[bytes, list[bytes]] = {}
        self.skipping = False
        self.copying = ""
        self.block = ""  # of a transaction: "T", or "E" once it has failed
        self.ran: list[bytes] = []

    def received(self, data: bytes) -> bytes:
        self._reader.feed(data)
        out = []
        while (message := self._reader.next()) is not None:
            out.append(self._message(message))
        return b"".join(out)

    def _message(self, message: wire.FrontendMessage) -> bytes:
        if self.copying:
            return self._copy(message)
        if isinstance(message, wire.CopyData | wire.CopyDone | wire.CopyFail | wire.Flush):
            return b""
        if isinstance(message, wire.Sync):
            self.skipping = False
            return self._ready()
        if self.skipping:
            return b""
        try:
            return self._run(message)
        except _Failed:
            error = self._failed()
            if isinstance(message, wire.Query):
                return error + self._ready()
            self.skipping = True
            return error

    def _failed(self) -> bytes:
        self.block = "E" if self.block else ""
        self.portals.clear()
        return wire.error_response("ERROR", "22P02", "bad " + REAL.decode())

    def _ready(self) -> bytes:
        if not self.block:
            self.portals.clear()
        return wire.ready_for_query((self.block or "I").encode())

    def _copy(self, message: wire.FrontendMessage) -> bytes:
        assert not isinstance(message, wire.Sync | wire.Flush | wire.Query)
        if isinstance(message, wire.CopyData):
            return b""
        simple, self.copying = self.copying == "simple", ""
        if isinstance(message, wire.CopyDone):
            return wire.command_complete(b"COPY 1") + (self._ready() if simple else b"")
        self.skipping = not simple
        return self._failed() + (self._ready() if simple else b"")

    def _run(self, message: wire.FrontendMessage) -> bytes:
        match message:
            case wire.Query(text=text):
                return self._simple(text)
            case wire.Parse(name=name, text=text):
                self._alive(text)
                if b"refused" in text or (name and name in self.statements):
                    raise _Failed
                self.statements[name] = text
                return wire.parse_complete()
            case wire.Bind(portal=portal, statement=name):
                if name not in self.statements or (portal and portal in self.portals):
                    raise _Failed
                self._alive(self.statements[name])
                self.portals[portal] = [b"run", self.statements[name]]
                return wire.bind_complete()
            case wire.Describe(kind=b"P", name=name):
                if name not in self.portals:
                    raise _Failed
                rows = self.portals[name]
                reads = rows and (rows[0] != b"run" or rows[1].startswith(b"select"))
                return FIELDS if reads else wire.no_data()
            case wire.Execute(portal=portal, limit=limit):
                return self._execute(portal, limit)
            case wire.CloseMessage(kind=kind, name=name):
                table: dict[bytes, object] = self.statements if kind == b"S" else self.portals  # type: ignore[assignment]
                table.pop(name, None)
                return wire.close_complete()
        raise AssertionError(f"a {type(message).__name__} reached the server")

    def _execute(self, portal: bytes, limit: int) -> bytes:
        if portal not in self.portals:
            raise _Failed
        rows = self.portals[portal]
        if rows[:1] == [b"run"]:  # utility or not: what it names is looked up now
            rows = self.portals[portal] = self._rows(rows[1])
        if rows == [b"copy"]:
            self.copying = "extended"
            return COPY_IN
        if rows == [b"fail"]:
            raise _Failed
        some = rows[:limit] if limit else rows
        self.portals[portal] = rows[len(some) :]
        end = wire.portal_suspended() if limit and self.portals[portal] else None
        return b"".join(some) + (end or wire.command_complete(b"SELECT"))

    def _alive(self, text: bytes) -> None:
        if self.block == "E" and text not in (b"commit", b"rollback"):
            raise _Failed

    def _rows(self, text: bytes) -> list[bytes]:
        self._alive(text)
        self.ran.append(text)
        assert b"drop" not in text
        words = text.split()
        match words[0] if words else b"":
            case b"execute":
                # Of a statement that Parse made it may be any, but for another EXECUTE.
                prepared = self.statements.get(words[1], b"execute")
                if prepared.startswith((b"execute", b"fetch", b"copy")):
                    raise _Failed
                return self._rows(prepared)
            case b"prepare":
                if words[1] in self.statements:
                    raise _Failed
                self.statements[words[1]] = text.split(b" as ", 1)[1]
            case b"deallocate":
                if self.statements.pop(words[1], None) is None:
                    raise _Failed
            case b"declare":
                if not self.block or words[1] in self.portals:
                    raise _Failed
                self.portals[words[1]] = self._rows(text.split(b" for ", 1)[1])
            case b"close":
                if self.portals.pop(words[1], None) is None:
                    raise _Failed
            case b"fetch":
                if words[-1] not in self.portals or self.portals[words[-1]][:1] == [b"done"]:
                    raise _Failed
                rows = self.portals[words[-1]]
                if rows[:1] == [b"run"]:
                    rows = self._rows(rows[1])
                self.portals[words[-1]] = []
                return rows
            case b"begin":
                self.block = self.block or "T"
            case b"commit" | b"rollback":
                self.block = ""
            case b"select":
                if b"patients" in text:
                    return [row(b"%d" % n, REAL) for n in range(3)]
                return [row(b"1", b"plain")]
            case b"copy":
                return [b"copy"]
            case b"fail":
                return [b"fail"]
        return []

    def _simple(self, text: bytes) -> bytes:
        if b"refused" in text:
            raise _Failed
        rows = self._rows(text)
        if rows == [b"copy"]:
            self.copying = "simple"
            return COPY_IN
        if rows == [b"fail"]:
            raise _Failed
        head = FIELDS if rows else b""
        return head + b"".join(rows) + wire.command_complete(b"OK") + self._ready()


COPY_IN = b"G" + (7 + 2).to_bytes(4, "big") + b"\0\0\1\0\0"
