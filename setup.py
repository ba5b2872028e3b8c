"""Compiles the hot rooms with mypyc, where that is possible. Everything else is in setup.cfg.

A wheel holds extension modules beside the sources that they were made from; without a C compiler,
or with ``HOOPGATE_PURE=1``, the sources alone, which do the same slower. An editable install is
never compiled: an extension module would go on running what the source beside it no longer says.
``make compile`` compiles in place for whom that is what they want.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: Compiled as one group, so that they call each other as C does. What belongs here is code that
#: runs for every message, row or leaf; what only it makes or reads comes with it.
MODULES = (
    *("events", "actions", "plans", "verdicts", "trials", "turns", "network", "tls_records"),
    *("gateway.reactor", "gateway.ends", "gateway.relay"),
    *(
        "phi.safe_harbor",
        "postgres.dates",
        "postgres.kernels",
        "postgres.generalise",
        "postgres.masking",
    ),
    *("phi.documents", "phi.fhir", "phi.fhir_links", "phi.fhir_places"),
    *("phi.fhir_ages", "phi.fhir_scalars", "phi.fhir_types"),
    *("postgres.wire_buffer", "postgres.wire_framing", "postgres.wire_messages"),
    *("postgres.wire_frontend", "postgres.wire_backend_reader", "postgres.wire_backend"),
    *("postgres.names", "postgres.planning", "postgres.requests", "postgres.expected"),
    *(
        "postgres.answers",
        "postgres.long_rows",
        "postgres.simple",
        "postgres.extended",
        "postgres.session",
    ),
    "postgres.trials",
    *("mysql.wire", "mysql.wire_values", "mysql.wire_results", "mysql.wire_commands"),
    *("mysql.types", "mysql.kernels", "mysql.long_rows", "mysql.masking", "mysql.prepared"),
    "mysql.expected",
    *("mysql.pinned", "mysql.errors", "mysql.refusals", "mysql.answer_stream", "mysql.answers"),
    *("mysql.statements", "mysql.session"),
    *("recorder.leaf", "recorder.payload", "recorder.sealing"),
    *(
        "recorder.commit",
        "recorder.writer",
        "recorder.gate",
        "recorder.recording",
        "recorder.tree",
        "recorder.tiles",
    ),
)
COMMANDS = {"bdist_wheel", "build_ext"}


def skipped(why: str) -> list[Extension]:
    """No extension modules, and the one line that says so (pip shows it with ``-v``)."""
    print(f"hoopgate: not compiled, it will run interpreted: {why}", file=sys.stderr)
    return []


def extensions() -> list[Extension]:
    """The extension modules of a command that builds, or none."""
    if not COMMANDS.intersection(sys.argv):
        return []
    if os.environ.get("HOOPGATE_PURE", "0") not in ("", "0"):
        return skipped("HOOPGATE_PURE is set")
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if shutil.which(compiler.split()[0]) is None:
        return skipped(f"there is no C compiler ({compiler.split()[0]})")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return skipped("Python's headers are not installed (Debian: python3-dev)")
    try:
        from mypyc.build import mypycify
    except ImportError:
        return skipped("mypyc is not installed (pip install 'mypy[mypyc]')")
    try:
        made: list[Extension] = mypycify(
            [
                # What is in setup.cfg is for development: its plugin is not there at a build.
                "--config-file=",
                "--namespace-packages",
                "--explicit-package-bases",
                "--ignore-missing-imports",
                "--follow-imports=silent",
                *(f"hoopgate/{name.replace('.', '/')}.py" for name in MODULES),
            ],
            opt_level=os.environ.get("MYPYC_OPT_LEVEL", "3"),  # 0: quick to build, for tests
            debug_level="0",
            group_name="hoopgate",
        )
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it has printed what it did not like
        return skipped(f"mypyc failed ({type(error).__name__})")
    return made


class OptionalBuild(build_ext):
    """Compiles all of it or nothing."""

    def run(self) -> None:
        """Never fails: what cannot be compiled runs interpreted."""
        self.remove()  # of an earlier build, of other sources
        try:
            super().run()
        except Exception as error:  # noqa: BLE001 - the compiler's own message is above it
            self.remove()
            self.extensions = []
            skipped(f"the C compiler failed ({type(error).__name__})")

    def remove(self) -> None:
        """Remove the extension modules from where they are built."""
        for extension in self.extensions:
            with suppress(FileNotFoundError):
                os.unlink(Path(self.build_lib, self.get_ext_filename(extension.name)))

    def get_outputs(self) -> list[str]:
        """What was built."""
        return [name for name in super().get_outputs() if os.path.exists(name)]


setup(ext_modules=extensions(), cmdclass={"build_ext": OptionalBuild})
