"""Members of an MCP server's messages that go to the client as they are, each where it looks as the
specification has it: numbers, words, addresses. A text is none of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

Test = Callable[[Any], bool]

#: One word: an id, a cursor, an address.
_WORD: Final = re.compile(r"[!-~]{1,2048}")
#: Addresses that are none: a document itself, a telephone number, a mailbox.
_NO_ADDRESS: Final = re.compile(r"(?:data|tel|sms|mailto|javascript|blob|about):", re.IGNORECASE)
_MEDIA: Final = re.compile(
    r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}"
    r"(; ?(charset=[A-Za-z0-9-]{1,20}|profile=mcp-app))?"
)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,16}(Z|[+-][0-9]{2}:[0-9]{2})")
_LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_STATES: Final = ("working", "input_required", "completed", "failed", "cancelled")


def is_word(value: Any) -> bool:
    """A text without blanks."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def is_id(value: Any) -> bool:
    """Of a request, or of what reports on one: a word or a number."""
    return is_word(value) or (isinstance(value, int) and not isinstance(value, bool))


def is_uri(value: Any) -> bool:
    """An address, and not what it would be the address of."""
    return is_word(value) and _NO_ADDRESS.match(value) is None


def is_media(value: Any) -> bool:
    """A content type."""
    return isinstance(value, str) and _MEDIA.fullmatch(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _one_of(*words: str) -> Test:
    return lambda value: isinstance(value, str) and value in words


def _is_agreed(value: Any) -> bool:
    """What a server will notify of (2026-07-28, basic/utilities/subscriptions)."""
    return isinstance(value, dict) and all(
        is_word(name) and (_is_truth(one) or (isinstance(one, list) and all(map(is_uri, one))))
        for name, one in value.items()
    )


#: Of a server's own messages: those that pass, and their members that do.
NOTICES: Final[Mapping[str, Mapping[str, Test]]] = {
    "notifications/progress": {
        "progressToken": is_id,
        "progress": _is_number,
        "total": _is_number,
    },
    "notifications/cancelled": {"requestId": is_id},
    "notifications/tools/list_changed": {},
    "notifications/resources/list_changed": {},
    "notifications/prompts/list_changed": {},
    "notifications/resources/updated": {"uri": is_uri},
    "notifications/subscriptions/acknowledged": {"notifications": _is_agreed},
    "notifications/message": {"level": _one_of(*_LEVELS)},
    "ping": {},
    "roots/list": {},
}
#: Of every result, what says how to go on.
PLAIN: Final[Mapping[str, Test]] = {
    "isError": _is_truth,
    "resultType": _one_of("complete", "input_required", "task"),
    "ttlMs": _is_number,
    "cacheScope": _one_of("public", "private"),
    "nextCursor": is_word,
}
#: Of a task (2025-11-25, basic/utilities/tasks): how far it is, not what it is about.
TASK: Final[Mapping[str, Test]] = {
    "taskId": is_word,
    "status": _one_of(*_STATES),
    "createdAt": lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None,
    "lastUpdatedAt": lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None,
    "ttl": _is_number,
    "ttlMs": _is_number,
    "pollInterval": _is_number,
    "pollIntervalMs": _is_number,
}
ROLE: Final = _one_of("user", "assistant")


def kept(part: Mapping[str, Any], tests: Mapping[str, Test]) -> dict[str, Any]:
    """Those members of ``part`` that look as they should."""
    return {name: part[name] for name, test in tests.items() if name in part and test(part[name])}
