"""Reads one TOML table key by key and collects what is wrong with it, instead of stopping.

Every method of :class:`Table` returns a value of the right type whatever the file says, so that
one run over a file finds all its mistakes. A placeholder never leaves ``load``: it raises first.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hoopgate.settings import units

_KINDS = {
    bool: "a boolean",
    str: "a string",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "a table",
    datetime.datetime: "a date",
    datetime.date: "a date",
    datetime.time: "a time",
}
#: What counters and buffers of every kind can hold.
_LARGEST = 2**31 - 1
_LONGEST = 36_500 * 86_400.0


def defaults(kind: type) -> dict[str, Any]:
    """The default of every field of a dataclass that has one, by name."""
    return {
        field.name: field.default
        for field in dataclasses.fields(kind)
        if field.default is not dataclasses.MISSING
    }


class Problems:
    """The mistakes found in one file, a line each."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: list[str] = []

    def add(self, key: str, wrong: str, write: str) -> None:
        """Note a mistake at ``key``: what is wrong, and what to write there instead."""
        place = f"{self.file}: {key}" if key else str(self.file)
        line = f"{place}: {wrong}; write {write}"
        # What is quoted from the file may hold anything; a mistake is one line on a terminal.
        line = "".join(one if one.isprintable() else "\ufffd" for one in line)
        if line not in self.lines:  # a key may be looked at twice
            self.lines.append(line)


def near(word: str, known: Iterable[str]) -> str:
    """The known name that a mistyped one is near to, or all of them."""
    names = sorted(known)
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.7)
    if close or len(names) == 1:
        return folded[close[0]] if close else names[0]
    return f"one of {', '.join(names)}" if names else "a name that is defined in this file"


class Table:
    """One table of the file.

    :param key: its place in the file, e.g. ``listeners[0].tls``; empty for the whole file.
    :ivar data: what the file says, unread.
    :ivar known: the keys that were asked for.
    """

    def __init__(self, data: Mapping[str, object], key: str, problems: Problems) -> None:
        self.data = data
        self.known: set[str] = set()
        self.key = key
        self.problems = problems

    def __contains__(self, name: str) -> bool:
        self.known.add(name)
        return name in self.data

    def place(self, name: str) -> str:
        """The full key of ``name`` in this table."""
        return f"{self.key}.{name}" if self.key else name

    def wrong(self, name: str, wrong: str, write: str) -> None:
        """Note a mistake at ``name`` of this table."""
        self.problems.add(self.place(name), wrong, write)

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for name in self.data:
            if name not in self.known:
                self.wrong(name, "unknown key", near(name, self.known))

    # --- values --------------------------------------------------------------------------------

    def _value(self, name: str, kind: type | tuple[type, ...], example: str) -> Any:
        """The value when it is there and of ``kind``; else None, with a note when it is not."""
        self.known.add(name)
        value = self.data.get(name)
        if value is None:
            return None
        accepted = kind if isinstance(kind, tuple) else (kind,)
        # TOML's true is no integer, though Python's is one.
        if isinstance(value, accepted) and (bool in accepted or not isinstance(value, bool)):
            return value
        found = _KINDS.get(type(value), "something else")
        self.wrong(name, f"{found} where {_KINDS[accepted[0]]} belongs", example)
        return None

    def _required(self, name: str, example: str) -> None:
        if name not in self.data:
            self.wrong(name, "missing", f"{name} = {example}")

    def text(self, name: str, default: str | None = None, example: str = '"…"') -> str:
        """A string that is not empty; required when there is no default."""
        value = self.optional_text(name, example)
        if value is None:
            if default is None:
                self._required(name, example)
            return default or ""
        return value

    def optional_text(self, name: str, example: str = '"…"') -> str | None:
        """A string that is not empty, or None when the key is not there."""
        value: str | None = self._value(name, str, example)
        if value is not None and not value.strip():
            self.wrong(name, "empty", example)
            return None
        if value is not None and not _plain(value):
            self.wrong(name, "a control character or a line break in it", example)
            return None
        return value

    def prose(self, name: str) -> str:
        """Words for people, in one line however they are laid out; "" where there are none."""
        value: str | None = self._value(name, str, '"…"')
        line = " ".join((value or "").split())
        if value is not None and not line:
            self.wrong(name, "empty", '"…"')
        elif not _plain(line):
            self.wrong(name, "a control character in it", '"…"')
        return line

    def choice(self, name: str, choices: Iterable[str], default: str | None = None) -> str:
        """One of the words ``choices``."""
        words = list(choices)
        value = self.text(name, default, " or ".join(f'"{word}"' for word in words))
        if value and value not in words:
            self.wrong(name, f'"{value}" is not known', near(value, words))
            return default or words[0]
        return value

    def boolean(self, name: str, default: bool) -> bool:
        """``true`` or ``false``."""
        value: bool | None = self._value(name, bool, "true or false")
        return default if value is None else value

    def integer(self, name: str, default: int, minimum: int = 1) -> int:
        """A whole number of at least ``minimum``."""
        value: int | None = self._value(name, int, str(max(default, minimum)))
        if value is not None and value < minimum:
            self.wrong(name, f"{value} is too small", f"{minimum} or more")
        elif value is not None and value > _LARGEST:
            self.wrong(name, "too large", f"{_LARGEST} or less")
        return default if value is None else value

    def number(self, name: str, default: float) -> float:
        """A positive number."""
        value: float | None = self._value(name, (int, float), f"{default:g}")
        if value is not None and not 0 < value < float("inf"):
            self.wrong(name, f"{value:g} is not a positive number", f"{default:g}")
        return default if value is None else float(value)

    def duration(self, name: str, default: float, *, zero: bool = False) -> float:
        """Seconds, written as a string with a unit."""
        return self._unit(name, default, units.duration, f'"{units.show_duration(default)}"', zero)

    def size(self, name: str, default: int) -> int:
        """Bytes, written as a string with a unit."""
        return int(self._unit(name, default, units.size, f'"{units.show_size(default)}"', False))

    def _unit(
        self, name: str, default: float, read: Callable[[str], float], example: str, zero: bool
    ) -> float:
        value = self._value(name, str, f"a string with its unit, e.g. {example}")
        if value is None:
            return default
        try:
            number = read(value)
        except ValueError:
            self.wrong(
                name, f'"{value}" is not understood', f"a number and its unit, e.g. {example}"
            )
            return default
        if number == 0 and not zero:
            self.wrong(name, "must be more than zero", f"e.g. {example}")
        if read is units.duration and number > _LONGEST:
            self.wrong(name, "longer than a century", f"e.g. {example}")
        return number

    def texts(
        self,
        name: str,
        default: tuple[str, ...] | None = None,
        example: str = '["…"]',
        *,
        empty: bool = False,
    ) -> tuple[str, ...]:
        """A list of strings with nothing in it twice; required when there is no default.

        :param empty: the list may be empty. Where it may not, people would read "none" in it.
        """
        value = self._value(name, list, example)
        if value is None:
            if default is None:
                self._required(name, example)
            return default or ()
        if not all(isinstance(one, str) and one.strip() for one in value):
            self.wrong(name, "something in the list is not a string, or empty", example)
            return default or ()
        if not all(map(_plain, value)):
            self.wrong(name, "a control character or a line break in it", example)
            return default or ()
        if not value and not empty:
            self.wrong(name, "an empty list says nothing", f"{example}, or leave the key out")
        for twice in sorted({one for one in value if value.count(one) > 1}):
            self.wrong(name, f'"{twice}" is in the list twice', "it once")
        return tuple(value)

    def one_or_more(self, name: str, example: str) -> tuple[str, ...]:
        """A string or a list of strings; required."""
        if isinstance(self.data.get(name), list):
            return self.texts(name, example=f"[{example}]")
        value = self.text(name, example=example)
        return (value,) if value else ()

    def path(self, name: str, default: Path | None = None, example: str = '"/…"') -> Path:
        """A path; a relative one starts at the directory of the settings file."""
        value = self.optional_text(name, example)
        if value is None:
            if default is None:
                self._required(name, example)
            return default or Path()
        return self.problems.file.parent / value

    def optional_path(self, name: str, example: str = '"/…"') -> Path | None:
        """As :meth:`path`, or None when the key is not there."""
        return self.path(name, example=example) if name in self else None

    # --- tables --------------------------------------------------------------------------------

    def table(self, name: str, example: str = "") -> Table:
        """A table; empty when it is not there."""
        value = self._value(name, dict, example or f"a table [{self.place(name)}]")
        return Table(value or {}, self.place(name), self.problems)

    def tables(self, name: str) -> Iterator[Table]:
        """The tables of a list ``[[name]]``."""
        for index, value in enumerate(self._value(name, list, f"[[{self.place(name)}]]") or ()):
            place = f"{self.place(name)}[{index}]"
            if isinstance(value, dict):
                yield Table(value, place, self.problems)
            else:
                self.problems.add(place, "not a table", f"[[{self.place(name)}]]")

    def entries(self) -> Iterator[str]:
        """Every key of a table whose keys are the operator's own."""
        self.known.update(self.data)
        yield from self.data

    def bounds(self, kind: type, *, but: Iterable[str] = ()) -> dict[str, Any]:
        """The numbers of the dataclass ``kind``, by field. Units are dropped from the names.

        ``drain_seconds`` is ``drain_time = "30s"`` in the file, ``window_bytes`` is
        ``window_size = "1MiB"``, ``checkpoint_ms`` is ``checkpoint_time = "200ms"``.
        """
        values: dict[str, Any] = {}
        for field, default in defaults(kind).items():
            if field in but or type(default) not in (int, float):
                continue
            stem, _, unit = field.rpartition("_")
            if unit == "seconds":
                values[field] = self.duration(f"{stem}_time", default)
            elif unit == "ms":
                values[field] = round(self.duration(f"{stem}_time", default / 1000) * 1000)
            elif unit == "bytes":
                values[field] = self.size(f"{stem}_size", default)
            elif type(default) is float:
                values[field] = self.number(field, default)
            else:
                values[field] = self.integer(field, default)
        return values


def _plain(text: str) -> bool:
    return not any(unicodedata.category(one) == "Cc" for one in text)
