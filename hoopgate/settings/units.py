"""Durations and sizes as people write them: ``"15m"``, ``"64MiB"``."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,12})(B|[KMG]iB|[kMG]B)")


def duration(text: str) -> float:
    """Seconds in ``text``.

    :raises ValueError: not a number with one of the units ms, s, m, h, d.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not a duration")
    return float(match[1]) * _SECONDS[match[2]]


def size(text: str) -> int:
    """Bytes in ``text``.

    :raises ValueError: not a whole number with one of the units B, KiB, MiB, GiB, kB, MB, GB.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("not a size")
    return int(match[1]) * _BYTES[match[2]]


def show_duration(seconds: float) -> str:
    """The shortest text of ``seconds`` that :func:`duration` reads, e.g. ``15m``."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"


def show_size(count: int) -> str:
    """The shortest text of ``count`` bytes that :func:`size` reads, e.g. ``64MiB``."""
    for unit in ("GiB", "MiB", "KiB"):
        if count >= _BYTES[unit] and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return f"{count}B"
