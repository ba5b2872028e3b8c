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
            self.portals.clear()
            return wire.ready_for_query(b"I")
        if self.skipping:
            return b""
        try:
            return self._run(message)
        except _Failed:
            error = wire.error_response("ERROR", "22P02", "bad " + REAL.decode())
            if isinstance(message, wire.Query):
                return error + wire.ready_for_query(b"I")
            self.skipping = True
            return error

    def _copy(self, message: wire.FrontendMessage) -> bytes:
        assert not isinstance(message, wire.Sync | wire.Flush | wire.Query)
        if isinstance(message, wire.CopyData):
            return b""
        simple, self.copying = self.copying == "simple", ""
        ready = wire.ready_for_query(b"I") if simple else b""
        if isinstance(message, wire.CopyDone):
            return wire.command_complete(b"COPY 1") + ready
        self.skipping = not simple
        return wire.error_response("ERROR", "57014", "COPY failed") + ready

    def _run(self, message: wire.FrontendMessage) -> bytes:
        match message:
            case wire.Query(text=text):
                return self._simple(text)
            case wire.Parse(name=name, text=text):
                if b"refused" in text or (name and name in self.statements):
                    raise _Failed
                self.statements[name] = text
                return wire.parse_complete()
            case wire.Bind(portal=portal, statement=name):
                if name not in self.statements:
                    raise _Failed
                self.portals[portal] = self._rows(self.statements[name])
                return wire.bind_complete()
            case wire.Describe(kind=b"P", name=name):
                if name not in self.portals:
                    raise _Failed
                return FIELDS if self.portals[name] else wire.no_data()
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
        if rows == [b"copy"]:
            self.copying = "extended"
            return COPY_IN
        if rows == [b"fail"]:
            raise _Failed
        some = rows[:limit] if limit else rows
        self.portals[portal] = rows[len(some) :]
        end = wire.portal_suspended() if limit and self.portals[portal] else None
        return b"".join(some) + (end or wire.command_complete(b"SELECT"))

    def _rows(self, text: bytes) -> list[bytes]:
        self.ran.append(text)
        assert b"drop" not in text
        if text.startswith(b"execute "):
            name = text.split()[1]
            if self.statements.get(name, b"execute").startswith(b"execute"):
                raise _Failed
            return self._rows(self.statements[name])
        if b"patients" in text and text.startswith(b"select"):
            return [row(b"%d" % n, REAL) for n in range(3)]
        if text.startswith(b"fetch all from "):
            name = text.split()[-1]
            if name not in self.portals:
                raise _Failed
            rows, self.portals[name] = self.portals[name], []
            return rows
        if text.startswith(b"select"):
            return [row(b"1", b"plain")]
        if text.startswith(b"copy"):
            return [b"copy"]
        if text.startswith(b"fail"):
            return [b"fail"]
        return []

    def _simple(self, text: bytes) -> bytes:
        ready = wire.ready_for_query(b"I")
        if b"refused" in text or text.startswith(b"fail"):
            raise _Failed
        if text.startswith(b"prepare "):
            name = text.split()[1]
            if name in self.statements:
                raise _Failed
            self.statements[name] = text.split(b" as ", 1)[1]
            return wire.command_complete(b"PREPARE") + ready
        rows = self._rows(text)
        if rows == [b"copy"]:
            self.copying = "simple"
            return COPY_IN
        if rows == [b"fail"]:
            raise _Failed
        head = FIELDS if rows else b""
        return head + b"".join(rows) + wire.command_complete(b"OK") + ready


COPY_IN = b"G" + (7 + 2).to_bytes(4, "big") + b"\0\0\1\0\0"
