"""Fuzz bytes of MySQL's protocol: ``tools/fuzz`` runs every target."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hoopgate.mysql"]):
    from fuzz.my_checks import CHECKS

atheris.Setup(sys.argv, CHECKS["my_client_login"])
atheris.Fuzz()
