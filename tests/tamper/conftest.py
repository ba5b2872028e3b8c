"""The table of the tamper and fault cases: number, what is done, outcome, which tests said so."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tamper_cases import CASES

_RESULTS: dict[int, list[tuple[str, str]]] = {}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "case(number, what): a case of the table of tampering")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when == "call" or report.failed:
        for mark in item.iter_markers("case"):
            _RESULTS.setdefault(mark.args[0], []).append((item.name, report.outcome))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _RESULTS or "TAMPER_TABLE" not in os.environ:
        return
    terminalreporter.section("tamper and fault cases")
    for number, (what, outcome) in CASES.items():
        found = _RESULTS.get(number, [])
        good = bool(found) and all(result == "passed" for _, result in found)
        state = "ok" if good else "FAILED" if found else "not run"
        terminalreporter.write_line(f"{number:>3}  {what:<58} {outcome:<22} {state}")
