"""The shape of the state database, as the list of steps that lead to it.

A step is never edited once released; a change is a new step at the end. The database's
``user_version`` is the number of steps it has taken.
"""

from __future__ import annotations

#: Marks a file as ours (``PRAGMA application_id``): ASCII ``hoop``.
APPLICATION_ID = 0x686F6F70

#: One tuple of statements per step; a step is applied whole or not at all.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        # Rows are never deleted here: a request's history outlives its statement, which is erased.
        """
        CREATE TABLE approvals (
            id          TEXT PRIMARY KEY,
            state       TEXT NOT NULL,
            binding     TEXT NOT NULL,
            digest      TEXT NOT NULL,
            requester   TEXT NOT NULL,
            facts       TEXT NOT NULL,
            session     TEXT NOT NULL,
            created     REAL NOT NULL,
            expires     REAL NOT NULL,
            sealed      BLOB,
            decided     REAL,
            reviewer    TEXT NOT NULL DEFAULT '',
            reason      BLOB,
            closed      REAL
        ) STRICT
        """,
        "CREATE INDEX approvals_open ON approvals (state, expires)",
        "CREATE INDEX approvals_binding ON approvals (binding, digest, state)",
        "CREATE INDEX approvals_requester ON approvals (requester, created)",
    ),
    (
        # What tokens stand for, each sealed under a key that is not in here.
        """
        CREATE TABLE tokens (
            resource    TEXT NOT NULL,
            id          BLOB NOT NULL,
            epoch       INTEGER NOT NULL,
            sealed      BLOB NOT NULL,
            made        INTEGER NOT NULL
        ) STRICT
        """,
        "CREATE UNIQUE INDEX tokens_id ON tokens (resource, id)",
        "CREATE INDEX tokens_made ON tokens (resource, made)",
        # What identities have spent of their budgets: numbers, and patients as keyed hashes.
        """
        CREATE TABLE budget_counts (
            account     TEXT NOT NULL,
            began       INTEGER NOT NULL,
            counted     TEXT NOT NULL,
            used        INTEGER NOT NULL,
            PRIMARY KEY (account, began, counted)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE budget_patients (
            account     TEXT NOT NULL,
            began       INTEGER NOT NULL,
            columns     BLOB NOT NULL,
            patient     BLOB NOT NULL,
            width       INTEGER NOT NULL,
            PRIMARY KEY (account, began, columns, patient)
        ) STRICT, WITHOUT ROWID
        """,
    ),
    (
        # Who approved, in order, each with a sealed reason; how often it was used.
        "ALTER TABLE approvals ADD COLUMN votes TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE approvals ADD COLUMN uses INTEGER NOT NULL DEFAULT 0",
    ),
    (
        # Session credentials in force: whom each stands for, and verifiers, no secret.
        """
        CREATE TABLE credentials (
            name        TEXT PRIMARY KEY,
            expires     REAL NOT NULL,
            facts       TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX credentials_expires ON credentials (expires)",
    ),
    (
        # Notifications that are still to be delivered. What they say holds no payload.
        """
        CREATE TABLE notifications (
            id          INTEGER PRIMARY KEY,
            channel     TEXT NOT NULL,
            request     TEXT NOT NULL,
            step        TEXT NOT NULL,
            notice      TEXT NOT NULL,
            made        REAL NOT NULL,
            due         REAL NOT NULL,
            attempts    INTEGER NOT NULL DEFAULT 0
        ) STRICT
        """,
        "CREATE INDEX notifications_due ON notifications (due)",
    ),
    (
        # Years of requests: the newest of all, and those of one identity, without reading them.
        "CREATE INDEX approvals_created ON approvals (created DESC, id)",
        "ALTER TABLE approvals ADD COLUMN identity TEXT NOT NULL DEFAULT ''",
        "UPDATE approvals SET identity = json_extract(facts, '$.subject') || char(10)"
        " || json_extract(facts, '$.issuer')",
        "CREATE INDEX approvals_identity ON approvals (identity, created DESC, id)",
    ),
)
