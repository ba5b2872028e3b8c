"""What a scan sees of a column, before anybody has labelled it. Sampled values stay out of repr."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from zope.interface import Interface

from hoopgate.events import ColumnRef

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred


class Family(Enum):
    """What a column's type can hold, whatever the server calls it."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"
    DOCUMENT = "document"  #: json, xml: text within
    BYTES = "bytes"
    ADDRESS = "address"  #: of networks
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalogue describes it.

    :ivar type: the server's own name of it, for people.
    :ivar key: it is a primary key, or refers to one.
    """

    reference: ColumnRef
    type: str
    family: Family
    comment: str = ""
    relation_comment: str = ""
    key: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation with columns of its own.

    :ivar columns: those that the account may read.
    :ivar rows: the server's estimate; below 0 = not known.
    :ivar closed: names of columns that the account may not read.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    rows: float = -1.0
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of some rows, per column in order; None is NULL.

    :ivar problem: why there are none, for people; "" when there are.
    """

    values: tuple[tuple[str | None, ...], ...] = field(default=(), repr=False)
    problem: str = ""


class IColumnSource(Interface):
    """What a protocol folder brings so that its databases can be scanned."""

    def relations() -> Deferred[list[Relation]]:
        """Every relation of the users' own, with the columns that need a label: not those of views,
        partitions and generated ones.

        Fails with :class:`hoopgate.errors.Refused`.
        """

    def sample(relation: Relation, rows: int) -> Deferred[Sample]:
        """Values of at most ``rows`` rows; read and rolled back, kept nowhere.

        Fails with :class:`hoopgate.errors.Refused` when the database went away.
        """

    def close() -> None:
        """Close what was opened."""
