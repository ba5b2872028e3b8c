"""A hot standby that streams from a private PostgreSQL server (manual, 27.2 and 27.4)."""

from __future__ import annotations

import shutil

from testbed.postgres import Postgres, conninfo


class Standby(Postgres):
    """A standby of ``primary``, made of its files: it is stopped for a moment meanwhile.

    The primary has to let replication in: its ``hba`` needs a line for it.
    """

    #: For the primary's ``pg_hba.conf``.
    HBA = "host replication postgres 127.0.0.1/32 scram-sha-256"

    def __init__(self, primary: Postgres) -> None:
        super().__init__(primary.version, primary.certificates)
        self._primary = primary

    def _make_data(self) -> None:
        primary = self._primary
        primary.stop()
        try:
            shutil.copytree(primary.data_directory, self.data_directory, symlinks=True)
        finally:
            primary.start()
        (self.data_directory / "postmaster.opts").unlink(missing_ok=True)
        (self.data_directory / "standby.signal").touch()
        self._settings["primary_conninfo"] = conninfo(
            (primary.host, primary.port),
            self.certificates,
            "",
            "postgres",
            primary.password,
            sslrootcert=self.data_directory / "ca.crt",
            sslcert=self.data_directory / "none.crt",  # not in the home of who started the tests
        )
