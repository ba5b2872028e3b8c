"""Figures as tables to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text as Markdown; the first is flush left, the rest flush right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "| " + " | ".join([first, *rest]) + " |"

    rule = ["-" * width for width in widths]
    rule[1:] = [part[:-1] + ":" for part in rule[1:]]
    return "\n".join(map(line, [head, rule, *rows]))


def number(value: float | None, digits: int = 0, sign: str = "") -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:{sign}.{digits}f}"


def facts(found: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in found.items())


def transactions(rows: Sequence[dict[str, Any]]) -> str:
    """Ratios to direct, the proxy's CPU, added latency where it was measured."""
    lines = []
    for row in rows:
        cpu = row["cpu_us"]
        lines.append(
            [
                f"{row['mode']}, {row['clients']}, {row['through']}",
                number(row["tps"]),
                number(row["ratio"], 2),
                number(sum(cpu.values()) if cpu else None, 1),
                *(number(cpu.get(part), 1) for part in ("main", "threads", "children")),
                number(row["added_p50_us"], 0, "+"),
                number(row["added_p99_us"], 0, "+"),
            ]
        )
    head = ["mode, clients, through", "tps", "÷ direct", "CPU µs", "main", "threads", "children"]
    return table([*head, "p50 µs", "p99 µs"], lines)


def bulk(rows: Sequence[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        cpu = row["cpu_ns_per_row"]
        lines.append(
            [
                f"{row['form']}, {row['through']}",
                number(row["mb_per_s"]),
                number(row["ratio"], 2),
                number(row["first_row_ms"], 1),
                number(sum(cpu.values()) if cpu else None),
                *(number(cpu.get(part)) for part in ("main", "threads")),
            ]
        )
    return table(
        ["form, through", "MB/s", "÷ direct", "first row ms", "CPU ns/row", "main", "threads"],
        lines,
    )


def memory(rows: Sequence[dict[str, Any]]) -> str:
    return table(
        ["through", "connections", "KiB each"],
        [[row["through"], str(row["connections"]), number(row["kib"], 1)] for row in rows],
    )


def micro(found: dict[str, dict[str, float]]) -> str:
    return table(
        ["part", "figure"],
        [
            [f"{room}: {name}", number(value, 2 if value < 100 else 0)]
            for room, figures in found.items()
            for name, value in figures.items()
        ],
    )
