"""Tokens become values on the way to the backend: the last thing that is done to a request.

By then it was judged with the tokens in it, and held where it had to be; rules, reviewers and the
log know the token alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hoopgate.actions import Decision
from hoopgate.errors import HoopgateError, Refused
from hoopgate.events import Operation, Statement
from hoopgate.gateway.tokens import Tokens
from hoopgate.mysql import parameters as mysql_parameters
from hoopgate.phi.tokens import TOKEN, Token, read
from hoopgate.plans import BodyPlan, TokenUse
from hoopgate.postgres import parameters as postgres_parameters
from hoopgate.sql import tokens as postgres_literals
from hoopgate.sql.mysql import literals as mysql_literals
from hoopgate.sql.tokens import MOST_TOKENS, Lifted
from hoopgate.verdicts import Block, Hold, Mask, Verdict

UNAVAILABLE: Final = Block(
    "tokens",
    "token.unavailable",
    "What the tokens stand for cannot be looked up now.",
    "Try again later.",
)
_MANY: Final = Block(
    "tokens",
    "token.many",
    f"There are more than {MOST_TOKENS} tokens in one request.",
    "Send them in parts.",
)


def holds_token(text: str) -> bool:
    """False when there is none in ``text``, wherever it might stand."""
    return TOKEN.search(text) is not None


def lifted(text: str, *, mysql: bool = False) -> Lifted | None:
    """``text`` with parameters for its tokens; None when there is none that counts.

    :param mysql: it is of that dialect, or MariaDB's.
    :raises Refused: ``token.many``.
    """
    if not holds_token(text):
        return None
    try:
        lift = mysql_literals.lift if mysql else postgres_literals.lift
        return lift(text, lambda content: read(content) is not None)
    except Refused as refused:
        if refused.code == "token.many":
            raise
        return None


def kinds(found: Lifted, statements: int) -> tuple[Mapping[int, str], ...]:
    """Of each statement the parameters in the place of tokens, with the tokens' kinds."""
    table: list[dict[int, str]] = [{} for _ in range(statements)]
    for literal in found.literals:
        token = read(literal.content)
        assert token is not None
        table[literal.statement][literal.number] = token.kind
    return tuple(table)


async def substitute(
    event: Statement,
    text: str,
    found: Lifted | None,
    decision: Decision,
    tokens: Tokens,
    resource: str,
) -> Block | None:
    """Give ``decision`` the text and the parameters with values in place of tokens.

    :param text: what is to be run, ``found`` are the tokens in it.
    :return: why that cannot be.
    """
    mysql = "dialect" in event.settings
    elements = mysql_parameters.elements if mysql else postgres_parameters.elements
    wanted: dict[str, Token] = {}
    for literal in () if found is None else found.literals:
        token = read(literal.content)
        assert token is not None
        wanted[literal.content] = token
    uses = _uses(decision.verdict) if event.binds else ()
    bound = event.parameters or ()
    for use in uses:
        if use.number > len(bound):
            continue  # the server will say so
        format, value = bound[use.number - 1]
        found_here = elements(use.type, format, value)
        if found_here is None:
            if use.required:
                return _expected(use)
            continue
        for one in found_here:
            token = None if one is None else _token(one)
            if token is not None and token.kind == use.kind:
                wanted[str(token)] = token
            elif one is not None and (use.required or token is not None):
                return _expected(use)
    if len(wanted) > MOST_TOKENS:
        return _MANY
    if not wanted:
        return None
    try:
        values = await tokens.values(resource, wanted.values())
    except HoopgateError:
        return UNAVAILABLE
    for token in wanted.values():
        if token not in values:
            return _unknown(token)
    if found is not None:
        fill = mysql_literals.fill if mysql else postgres_literals.fill
        decision.text = fill(
            text, found.literals, [values[wanted[one.content]] for one in found.literals]
        )
    if uses:
        rebuilt = mysql_parameters.rebuilt if mysql else postgres_parameters.rebuilt
        decision.values = _bound(bound, uses, values, elements, rebuilt)
    return None


def compared(event: Operation) -> tuple[Mapping[int, str], ...]:
    """Of each operation the kinds of the tokens that it compares, numbered."""
    return tuple(
        {number: one.kind for number, one in enumerate(facts.tokens)} for facts in event.facts or ()
    )


async def substitute_compared(
    event: Operation, decision: Decision, tokens: Tokens, resource: str
) -> Block | None:
    """Give ``decision`` what the tokens of an operation stand for.

    :return: why that cannot be.
    """
    wanted: list[Token] = []
    for facts in event.facts or ():
        for text in (text for one in facts.tokens for text in one.texts):
            token = read(text)
            assert token is not None
            wanted.append(token)
    if len(wanted) > MOST_TOKENS:
        return _MANY
    plans = decision.verdict.plans if isinstance(decision.verdict, Mask) else ()
    if not any(isinstance(plan, BodyPlan) and not plan.clear for plan in plans):
        return None  # without PHI there are no tokens: it is a text like others
    try:
        values = await tokens.values(resource, set(wanted))
    except HoopgateError:
        return UNAVAILABLE
    for token in wanted:
        if token not in values:
            return _unknown(token)
    decision.values = tuple(values[token] for token in wanted)
    return None


def _uses(verdict: Verdict) -> tuple[TokenUse, ...]:
    plans = verdict.plans if isinstance(verdict, Mask | Hold) else ()
    return plans[0].tokens if plans and plans[0] is not None else ()


def _token(value: bytes) -> Token | None:
    try:
        return read(value.decode())
    except UnicodeDecodeError:
        return None


def _bound(
    bound: tuple[tuple[int, bytes | None], ...],
    uses: tuple[TokenUse, ...],
    values: Mapping[Token, bytes],
    elements: Callable[[int, int, bytes | None], list[bytes | None] | None],
    rebuilt: Callable[[int, int, bytes | None, list[bytes | None]], bytes | None],
) -> tuple[bytes | None, ...]:
    new = [value for _, value in bound]
    for use in uses:
        if use.number > len(bound):
            continue
        format, value = bound[use.number - 1]
        found = elements(use.type, format, value)
        if not found:
            continue
        given: list[bytes | None] = []
        for one in found:
            token = None if one is None else _token(one)
            given.append(one if token is None else values[token])
        new[use.number - 1] = rebuilt(use.type, format, value, given)
    return tuple(new)


def _expected(use: TokenUse) -> Block:
    return Block(
        "phi/token",
        "token.expected",
        f"Parameter ${use.number} is compared with a column of kind {use.kind}, whose values come"
        " as tokens: it has to be one, as text.",
        f"Bind a token that was read from such a column, [{use.kind}:…].",
        f"${use.number}",
    )


def _unknown(token: Token) -> Block:
    return Block(
        "tokens",
        "token.unknown",
        f"A token of kind {token.kind} is not known here (any more): it is too old, of a key that"
        " was taken away, or of another resource.",
        "Read its row again and use the token that comes.",
        token.kind,
    )
