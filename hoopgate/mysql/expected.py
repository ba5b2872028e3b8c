"""What the server is to answer to a command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from hoopgate.mysql.prepared import Prepared
from hoopgate.plans import MaskPlan


class Kind(Enum):
    """What an answer consists of."""

    OK = auto()  # OK or ERR
    TEXT = auto()  # results in text
    BINARY = auto()  # results in binary, perhaps a cursor
    ROWS = auto()  # more rows of a cursor
    PREPARE = auto()
    COLUMNS = auto()  # definitions with defaults
    STRING = auto()  # one packet of words
    OWN = auto()  # OK or ERR to what the gateway asks for a trial: the client sees nothing
    INTERNAL = auto()  # OK or ERR to a question of the gateway's own: the client sees nothing


@dataclass(slots=True)
class Expected:
    """The answer that is due.

    :ivar sent: packets that the command was sent in.
    :ivar received: packets that the client's command came in.
    :ivar plan: of the first result; None masks nothing.
    :ivar prepared: the statement executed or fetched from.
    :ivar made: makes the one that comes to be, of its id and its number of parameters.
    :ivar alters: the schema may be changed by it.
    """

    kind: Kind
    sent: int = 1
    received: int = 1
    plan: MaskPlan | None = None
    prepared: Prepared | None = None
    made: Callable[[int, int], Prepared] | None = None
    alters: bool = False
    resets: bool = False
    results: int = field(default=0)
