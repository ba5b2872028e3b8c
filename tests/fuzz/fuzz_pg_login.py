"""Fuzz a server's side of the gateway's login: ``tools/fuzz`` runs every target."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hoopgate.postgres"]):
    from fuzz.pg_checks import CHECKS

atheris.Setup(sys.argv, CHECKS["pg_login"])
atheris.Fuzz()
