"""Reading tokens: what every rule of the grammar is made of."""

from __future__ import annotations

from typing import Final

from hoopgate.errors import Refused
from hoopgate.sql.mysql.tokens import QUOTED, RESERVED, SYMBOL, WORD, Token
from hoopgate.sql.mysql.tree import Name

#: Brackets, subqueries and operators in one another.
MOST_NESTED: Final = 200

#: What is behind the last token.
END: Final = Token(SYMBOL, "", 0, 0)


def outside() -> Refused:
    """What is said of a text that is not in the subset."""
    return Refused("parse.syntax", "A part of the statement is not in the strict subset.")


class Words:
    """Reads tokens from the left to the right."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    # --- tokens -------------------------------------------------------------------------------

    def _peek(self, ahead: int = 0) -> Token:
        index = self._at + ahead
        return self._tokens[index] if index < len(self._tokens) else END

    def _next(self) -> Token:
        token = self._peek()
        if token is END:
            raise outside()
        self._at += 1
        return token

    def _is(self, *words: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token.kind == WORD and token.text in words

    def _symbol(self, text: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token.kind == SYMBOL and token.text == text and token is not END

    def _took(self, *words: str) -> bool:
        """Whether these words come next, one after the other; then they are read."""
        if all(self._is(word, ahead=ahead) for ahead, word in enumerate(words)):
            self._at += len(words)
            return True
        return False

    def _took_symbol(self, text: str) -> bool:
        if self._symbol(text):
            self._at += 1
            return True
        return False

    def _want(self, *words: str) -> None:
        if not self._took(*words):
            raise outside()

    def _want_symbol(self, text: str) -> None:
        if not self._took_symbol(text):
            raise outside()

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise Refused("parse.size", "The statement is nested too deeply.")

    def _leave(self) -> None:
        self._depth -= 1

    # --- names --------------------------------------------------------------------------------

    def _name(self) -> str:
        token = self._next()
        if token.kind == QUOTED:
            return token.text
        if token.kind != WORD or token.text in RESERVED:
            raise outside()
        return self._spelled(token)

    def _spelled(self, token: Token) -> str:
        """A word as it was written; its token has it in upper case."""
        return self._text[token.start : token.end]

    def _dotted(self, most: int) -> Name:
        parts = [self._name()]
        while len(parts) < most and self._symbol("."):
            self._at += 1
            token = self._peek()
            # Behind a dot every word is a name.
            if token.kind == WORD:
                parts.append(self._spelled(self._next()))
            else:
                parts.append(self._name())
        return tuple(parts)
