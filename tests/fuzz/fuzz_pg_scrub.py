"""Fuzz errors, notices and notifications to be scrubbed: ``tools/fuzz`` runs every target."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hoopgate.postgres"]):
    from fuzz.pg_checks import CHECKS

atheris.Setup(sys.argv, CHECKS["pg_scrub"])
atheris.Fuzz()
