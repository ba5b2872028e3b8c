"""What one session sees of another: two clients of one database, one statement after the other."""

from __future__ import annotations

from twin_wire import Client, query

from hoopgate.postgres import wire

#: Whether two transactions that would each have to come first may both commit: it depends on
#: whether the rows that one reads and the other writes are on one page (PostgreSQL's SSI locks a
#: page instead of many rows of it), and so on how long the rows before them are.
SKEW = (
    (0, "BEGIN ISOLATION LEVEL {}"),
    (1, "BEGIN ISOLATION LEVEL {}"),
    (0, "SELECT k FROM sized WHERE id = 7"),
    (0, "SELECT k FROM sized WHERE id = 8"),
    (0, "SELECT k FROM sized WHERE id = 9"),
    (1, "SELECT sum(x) FROM root WHERE id = 1"),
    (1, "DELETE FROM sized WHERE id = 14"),
    (0, "UPDATE root SET x = x + 1 WHERE id = 1"),
    (0, "COMMIT"),
    (1, "COMMIT"),
)


def skewed(clients: tuple[Client, Client], level: str) -> list[list[bytes]]:
    """What each statement was answered, errors by their codes."""
    found = []
    for which, text in SKEW:
        client = clients[which]
        client.send(query(text.format(level)).data)
        found.append(
            [
                wire.error_fields(message)[b"C"] if message[:1] == b"E" else message
                for message in client.answers(1)
            ]
        )
    for client in clients:
        client.close()
    return found
