"""PyMySQL as a :class:`hoopgate.sql.mysql.conversation.Connection`, for tests without a gateway.

It has no call for preparing a statement, so its own packets are used for that.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import pymysql
from pymysql.constants import CLIENT
from pymysql.protocol import FieldDescriptorPacket

from hoopgate.sql.mysql.catalogue import Rows
from hoopgate.sql.mysql.conversation import ServerError
from hoopgate.sql.mysql.resolver import Outputs

#: The mode of the sessions: nothing in it changes how a text is read.
MODES: Final = {
    "mariadb": "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,"
    "NO_ENGINE_SUBSTITUTION",
    "mysql": "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION",
}
_PREPARE, _CLOSE = 0x16, 0x19


class PyMySQLConnection:
    """One connection, used by one thread at a time.

    :param arguments: of ``pymysql.connect``.
    :raises pymysql.MySQLError, OSError: it cannot be made.
    """

    def __init__(self, dialect: str, **arguments: Any) -> None:
        self._connection = pymysql.connect(
            charset="utf8mb4",
            autocommit=True,
            local_infile=False,
            sql_mode=MODES[dialect],
            client_flag=CLIENT.PROTOCOL_41,
            conv={},
            use_unicode=True,
            **arguments,
        )

    @property
    def version(self) -> str:
        """The server's, as it greets."""
        return str(self._connection.get_server_info())

    async def query(self, text: str) -> Rows:
        """See :class:`hoopgate.sql.mysql.conversation.Connection`."""
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(text)
            except pymysql.MySQLError as error:
                raise self._refused(error) from None
            rows: Sequence[Sequence[object]] = cursor.fetchall()
            return rows

    async def use(self, database: str) -> None:
        """See :class:`hoopgate.sql.mysql.conversation.Connection`."""
        try:
            self._connection.select_db(database)
        except pymysql.MySQLError as error:
            raise self._refused(error) from None

    async def prepare(self, text: str) -> Outputs:
        """See :class:`hoopgate.sql.mysql.conversation.Connection`."""
        connection: Any = self._connection
        try:
            connection._execute_command(_PREPARE, text)
            head = connection._read_packet().get_all_data()
            statement, columns, parameters = struct.unpack_from("<xIHH", head)
            for _ in range(parameters + bool(parameters)):
                connection._read_packet()
            found = []
            for _ in range(columns):
                field = connection._read_packet(FieldDescriptorPacket)
                found.append((field.name, field.type_code))
            if columns:
                connection._read_packet()
            # COM_STMT_CLOSE is not answered.
            connection._write_bytes(struct.pack("<IBI", 5, _CLOSE, statement))
        except pymysql.MySQLError as error:
            raise self._refused(error) from None
        return found or None

    def close(self) -> None:
        """Hang up."""
        try:
            self._connection.close()
        except (pymysql.MySQLError, OSError):
            pass

    def _refused(self, error: Exception) -> Exception:
        """The server's refusals have a number; what the connection suffers passes as it is."""
        broken = isinstance(error, pymysql.err.InterfaceError) or not self._connection.open
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if broken or number == 0 or 2000 <= number < 3000:
            return error
        return ServerError(number)
