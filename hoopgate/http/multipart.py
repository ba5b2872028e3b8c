"""Forms in parts (RFC 7578), as rules see them: names and values. Sans-I/O."""

from __future__ import annotations

import re
from typing import Final

from hoopgate.http.inquiry import Pairs
from hoopgate.http.wire import Malformed

MEDIA: Final = "multipart/form-data"
_PARTS: Final = 200
_BOUNDARY: Final = re.compile(
    rb"multipart/form-data *; *boundary=(?:\"([A-Za-z0-9'()+_,./:=? -]{1,70})\""
    rb"|([A-Za-z0-9'+_./-]{1,70})) *",
    re.IGNORECASE,
)
#: One name, in one spelling; of a file its name, which says nothing of what the server does.
_DISPOSITION: Final = re.compile(
    rb"content-disposition: *form-data; *name=\"([^\"\r\n\\]{1,200})\""
    rb"(?:; *filename\*?=(?:\"[^\"\r\n]*\"|[^\"\s;]+))*",
    re.IGNORECASE,
)
_OTHERS: Final = re.compile(
    rb"(?:content-type|content-length): *[\x20-\x7e]*"
    rb"|content-transfer-encoding: *(?:7bit|8bit|binary)",
    re.IGNORECASE,
)


def fields(content_type: bytes, body: bytes) -> Pairs:
    """Names and values of a form, in order; of files too.

    :raises Malformed: it is not written in the one way that is taken.
    """
    found = _BOUNDARY.fullmatch(content_type.strip())
    if found is None:
        raise _bad("the form has no boundary, or an unusual one")
    line = b"--" + (found[1] or found[2])
    first, *parts = (b"\r\n" + body).split(b"\r\n" + line)
    if first or len(parts) < 1 or parts[-1] not in (b"--", b"--\r\n") or len(parts) > _PARTS + 1:
        raise _bad("the form's parts are not told apart, or too many")
    return tuple(map(_field, parts[:-1]))


def _field(part: bytes) -> tuple[str, str]:
    head, blank, value = part.partition(b"\r\n\r\n")
    names = []
    for line in head.removeprefix(b"\r\n").split(b"\r\n"):
        found = _DISPOSITION.fullmatch(line)
        if found is not None:
            names.append(found[1])
        elif _OTHERS.fullmatch(line) is None:
            raise _bad("a part of the form has a header that is not taken")
    if not blank or not part.startswith(b"\r\n") or len(names) != 1:
        raise _bad("a part of the form has no name, or two")
    try:
        return names[0].decode("utf-8"), value.decode("utf-8", "replace")
    except UnicodeDecodeError:
        raise _bad("a name in the form is not UTF-8") from None


def _bad(message: str) -> Malformed:
    return Malformed(400, "multipart", message)
