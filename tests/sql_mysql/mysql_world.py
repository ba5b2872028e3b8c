"""A private MariaDB, the resolver on it, and the guard: judgement without a gateway."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from side_pymysql import PyMySQLConnection
from testbed.mariadb import MariaDB

from hoopgate.errors import Refused
from hoopgate.events import ColumnRef, Judged, Principal, Resolution, SessionFacts, Statement
from hoopgate.guardrails.masking import MaskingGuard
from hoopgate.phi.labels import LabelSet
from hoopgate.plans import Method
from hoopgate.settings.model import Label, LabelClass
from hoopgate.sql.mysql import examination
from hoopgate.sql.mysql.analysis import analyze
from hoopgate.sql.mysql.attestation import edited
from hoopgate.sql.mysql.conversation import Conversation
from hoopgate.sql.mysql.resolver import Hidden, Resolver, Step
from hoopgate.sql.resolver import needs_resolution
from hoopgate.verdicts import Block, Mask, Verdict

PHI = {
    "SSN": ["phi.patients.ssn"],
    "NAME": ["phi.patients.name", "phi.unkeyed.who", "phi.keyed_by_name.name", "phi.touched.who"],
    "NOTE": ["phi.encounters.note", "phi.patients.notes", "phi.searched.body"],
    "ACCOUNT": ["phi.patients.mrn", "phi.account.mrn", "phi.ledger.mrn", "phi.patients.email"],
    "PIN": ["phi.account.pin", "phi.derived.pin", "phi.parted.pin"],
}
QUASI = ["phi.patients.dob", "phi.patients.zip"]


def labels(resource: str = "twins") -> LabelSet:
    """The dictionary."""
    lines = [Label(resource, column, kind) for kind, names in PHI.items() for column in names]
    lines += [
        Label(resource, column, "DATE", LabelClass.QUASI, Method.GENERALISE) for column in QUASI
    ]
    lines.append(Label(resource, "phi.*.*", "NONE", LabelClass.PUBLIC))
    return LabelSet(resource, lines, LabelClass.SECRET, fold=True)


class Parser:
    """A parser's child, in this process; what it answers travels as JSON."""

    async def work(self, request: bytes) -> Any:
        return json.loads(json.dumps(examination.answer(request, 2**20)))


class Side:
    """A side connection that counts its scripts."""

    def __init__(self, server: MariaDB, scratch: str = "hoopgate_scratch") -> None:
        self.connection = PyMySQLConnection(
            server.protocol,
            unix_socket=str(server.socket),
            user=server.user,
            password=server.password,
        )
        self._conversation = Conversation(self.connection, scratch)
        self.scripts = 0

    async def run(self, database: str, script: Sequence[Step]) -> list[Any]:
        self.scripts += 1
        return await self._conversation.run(database, script)


class World:
    """Judges statements on one server.

    :ivar dictionary: the labels; what is secret can be changed.
    """

    def __init__(self, server: MariaDB) -> None:
        self.server = server
        self.dialect = server.protocol
        self.side = Side(server)
        self.dictionary = labels()
        self.labels_changed = 0
        self.resolver = Resolver(
            time.monotonic,
            Parser(),
            Hidden(lambda: self.labels_changed, self._secret),
            scratch="hoopgate_scratch",
            mysql=server.protocol == "mysql",
        )
        self._session = SessionFacts(
            "s", Principal("i", "agent", frozenset(), 0.0), "twins", self.dialect, "phi", "", ""
        )

    def _secret(self, column: ColumnRef) -> bool:
        return bool(self.dictionary.secrets([column]))

    def statement(self, text: str) -> Statement:
        return Statement(text, settings={"dialect": self.dialect, "database": "phi"})

    def resolve(self, text: str) -> Resolution:
        """What the server says of it.

        :raises Refused: it cannot be resolved.
        """
        (facts,) = analyze(text)
        return asyncio.run(self.resolver.ask(self.side, self.statement(text), facts, self._session))

    def cached(self, text: str) -> Resolution | None:
        (facts,) = analyze(text)
        key = self.resolver.key(self.statement(text), facts, self._session)
        return self.resolver.cached(key)

    def confirm(self) -> None:
        asyncio.run(self.resolver.confirm(self.side))

    def judge(self, text: str) -> Verdict | None:
        """What the masking guard says of it; a refusal by the parser is a Block, too."""
        try:
            facts = analyze(text)
        except Refused as refused:
            return Block("parser", refused.code, str(refused))
        resolutions: list[Resolution | None] = []
        unresolved = {}
        for index, one in enumerate(facts):
            resolution = None
            if needs_resolution(one):
                try:
                    resolution = self.resolve(text)
                except Refused as refused:
                    unresolved[index] = refused.code
            resolutions.append(resolution)
        judged = Judged(self.statement(text), facts, tuple(resolutions), unresolved)
        return MaskingGuard({"twins": self.dictionary}).judge(judged, self._session, 0.0)

    def outcome(self, text: str) -> str:
        """The reason of a Block, the labels of a Mask, or ``plain``."""
        verdict = self.judge(text)
        if isinstance(verdict, Block):
            return verdict.reason
        if isinstance(verdict, Mask) and verdict.plans[0] is not None:
            return " ".join(m.label if m else "-" for m in verdict.plans[0].columns)
        return "plain"

    def sent(self, text: str) -> str:
        """What would run."""
        return edited(text, self.resolve(text).edits)
