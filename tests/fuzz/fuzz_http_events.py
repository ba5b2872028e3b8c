"""Fuzz HTTP's events: ``tools/fuzz`` runs every target."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hoopgate.http", "hoopgate.phi"]):
    from fuzz.http_checks import CHECKS

atheris.Setup(sys.argv, CHECKS["http_events"])
atheris.Fuzz()
