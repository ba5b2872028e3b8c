"""The digest an approval is bound to: who asks what, of what, with which values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from hoopgate.errors import Refused
from hoopgate.events import Operation, Principal, Statement, StatementFacts
from hoopgate.sql.shape import scan


def canonical(text: str) -> str:
    """``text`` without comments and layout. Every literal and name is kept to the letter."""
    source = text.encode()
    try:
        tokens = scan(source, text)
    except Refused:
        return text
    return "\0".join(source[start:end].decode() for _, start, end in tokens)


def approval_digest(
    principal: Principal,
    resource: str,
    statement: Statement | Operation,
    facts: Sequence[StatementFacts],
) -> str:
    """SHA-256 (hex) over identity, resource, canonical text, parameters and settings. The text of
    an operation is canonical as it comes.

    The identity is issuer and subject: a new token of the same agent finds its approval again.
    """
    if isinstance(statement, Operation):
        return _hash(
            {
                **_identity(principal),
                "resource": resource,
                "operation": statement.text,
                "operations": len(facts),
            }
        )
    parameters = None
    if statement.parameters is not None:
        parameters = [
            [format, None if value is None else value.hex()]
            for format, value in statement.parameters
        ]
    return _hash(
        {
            **_identity(principal),
            "resource": resource,
            # Only PostgreSQL's texts can be cut by its scanner.
            "text": statement.text
            if "dialect" in statement.settings
            else canonical(statement.text),
            "statements": len(facts),
            "types": list(statement.parameter_types),
            "parameters": parameters,
            "settings": dict(sorted(statement.settings.items())),
        }
    )


def _identity(principal: Principal) -> dict[str, object]:
    return {
        "issuer": principal.issuer,
        "subject": principal.subject,
        "owner": principal.owner,
    }


def _hash(content: dict[str, object]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
