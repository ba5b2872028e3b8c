"""JSON that is masked: read, rewritten and written anew, so that nothing unread goes through.

A key that is there twice, an escape, a byte order mark or blanks are gone by then; numbers keep
their digits (``1.10`` stays ``1.10``: FHIR says that precision has a meaning).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from hoopgate.errors import HoopgateError
from hoopgate.phi.detectors.search import replaced_in
from hoopgate.plans import Method, PathMask

#: Objects and arrays within each other; the walkers below recurse.
DEPTH: Final = 200

#: Makes the token of a kind and a value.
Tokens = Callable[[str, bytes], str]

_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)
_encoder: Final = msgspec.json.Encoder(decimal_format="number")


class Unreadable(HoopgateError):
    """Content that cannot be understood, and so not be masked. The text quotes nothing of it."""


def decode(data: bytes) -> Any:
    """A JSON document in UTF-8, with or without a byte order mark.

    :raises Unreadable: it is something else.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError, ValueError):
        return _forgiven(data)


def _forgiven(data: bytes) -> Any:
    """A document with what servers get wrong within texts: bytes of another charset, control
    characters, half a surrogate pair. Whether a name has any of it is not for the client to know,
    and it is masked all the same; in what is shown they stay unreadable.

    :raises Unreadable: something else is wrong with it.
    """
    try:
        text = data.decode("utf-8", "replace")
        return json.loads(text, strict=False, parse_float=Decimal, parse_constant=_constant)
    except (RecursionError, ArithmeticError, ValueError):
        raise Unreadable("the content is not JSON in UTF-8") from None


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


def encode(value: Any) -> bytes:
    """The inverse of :func:`decode`.

    :raises Unreadable: a text in it is none.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        raise Unreadable("the content holds half a surrogate pair") from None


def replacement(value: Any, mask: PathMask, tokens: Tokens | None = None) -> Any:
    """What stands in the place of a value: text for text, else null.

    :param tokens: None: what would come as a token becomes a constant.
    """
    if mask.method is None:
        return value
    if mask.method is Method.NULL or not isinstance(value, str):
        return None
    if mask.method is Method.GENERALISE:
        return generalised(value, mask.label)
    if mask.method is Method.TOKEN and tokens is not None and value.strip():
        return tokens(mask.label, value.encode())
    return f"[{mask.label}]"


def generalised(value: str, label: str) -> str:
    """A date to its year, a ZIP code to three digits; else a redaction."""
    if len(value) >= 4 and value[:4].isdigit():
        if len(value) == 5 and value.isdigit():
            return value[:3] + "**"
        if len(value) == 4 or value[4] == "-":
            return value[:4]
    return f"[{label}]"


class Places:
    """What the data dictionary says of the places of a document, as a tree of its keys.

    :ivar keys: below a key; ``*`` is any key or index.
    :ivar mask: what is said of the place itself, and of everything below that nothing is said of.
    """

    __slots__ = ("keys", "mask")

    def __init__(self) -> None:
        self.keys: dict[str, Places] = {}
        self.mask: PathMask | None = None

    @classmethod
    def of_pointers(cls, masks: tuple[PathMask, ...]) -> Places:
        """A tree of those ``masks`` that are JSON pointers."""
        root = cls()
        for mask in masks:
            if mask.path.startswith("/"):
                keys = [
                    key.replace("~1", "/").replace("~0", "~") for key in mask.path[1:].split("/")
                ]
                root.add(keys, mask)
        return root

    def add(self, keys: list[str], mask: PathMask) -> None:
        """Say something of a place; the first to say it is heard."""
        here = self
        for key in keys:
            here = here.keys.setdefault(key, Places())
        here.mask = here.mask or mask


class JSONMasker:
    """Masks documents that nothing is known of but what the data dictionary says.

    A member that nothing is said of, and nothing below it, is left out where the unlabelled counts
    as secret: its name may be one of a patient's. One that is only meant by ``*`` goes by a number.

    :param unlabelled: whether it does.
    :param tokens: makes the tokens of what comes as tokens; None: constants.
    """

    def __init__(
        self, masks: tuple[PathMask, ...], *, unlabelled: bool, tokens: Tokens | None = None
    ) -> None:
        self._root = Places.of_pointers(masks)
        self._unlabelled = unlabelled
        self._tokens = tokens

    def mask(self, document: Any) -> Any:
        """The document as the client may see it.

        :raises Unreadable: it is nested too deeply.
        """
        return self._walk(document, [self._root], self._root.mask, 0)

    def _walk(self, value: Any, places: list[Places], mask: PathMask | None, depth: int) -> Any:
        if depth > DEPTH:
            raise Unreadable("the content is nested too deeply")
        if not isinstance(value, dict | list):
            return self._scalar(value, mask)
        masked = mask is not None and mask.method is not None
        if not any(place.keys for place in places):
            if masked:
                return None  # whole: neither names nor numbers of members are shown
            if mask is not None:
                return value
        if isinstance(value, list):
            return [
                self._walk(item, below, _said(below) or mask, depth + 1)
                for index, item in enumerate(value)
                for below in (_below(places, str(index)),)
            ]
        hidden = masked or (mask is None and self._unlabelled)
        found = {}
        for number, (key, item) in enumerate(value.items(), 1):
            below = _below(places, key)
            if below or not hidden:
                # Any key may be a patient's name; one that somebody has named is none.
                known = not hidden or any(key in place.keys for place in places)
                name = key if known else f"member_{number}"
                found[name] = self._walk(item, below, _said(below) or mask, depth + 1)
        return found

    def _scalar(self, value: Any, mask: PathMask | None) -> Any:
        if mask is not None:
            return replacement(value, mask, self._tokens)
        if value is None:
            return None
        if not self._unlabelled:
            # What nothing is said of and is public all the same goes by the tripwire.
            return replaced_in(value) if isinstance(value, str) else value
        return "[UNLABELLED]" if isinstance(value, str) else None


def _below(places: list[Places], key: str) -> list[Places]:
    found = []
    for place in places:
        for name in (key, "*"):
            below = place.keys.get(name)
            if below is not None:
                found.append(below)
    return found


def _said(places: list[Places]) -> PathMask | None:
    """The first that says something: exact keys come before ``*``; of two, the one that masks."""
    said = [place.mask for place in places if place.mask is not None]
    return next((one for one in said if one.method is not None), said[0] if said else None)
