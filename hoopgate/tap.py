"""``twistd hoopgate``: its options, and the service it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import IService, MultiService
from twisted.python import usage

from hoopgate.errors import SettingsError
from hoopgate.gateway import logging
from hoopgate.settings.load import load, load_witness


class Options(usage.Options):
    """The options of ``twistd hoopgate``."""

    synopsis = "[options]"
    longdesc = "Everything else is in the settings file; hoopgate check says what is wrong with it."
    optParameters: ClassVar[list[list[object]]] = [
        ["config", "c", None, "Path of hoopgate.toml (required)"]
    ]

    optFlags: ClassVar[list[list[str | None]]] = [
        ["witness-only", None, "Be a witness for other nodes' logs and nothing else ([witness])"]
    ]

    def postOptions(self) -> None:
        """Log as JSON from the first line.

        :raises usage.UsageError: there is no settings file.
        """
        if self["config"] is None:
            raise usage.UsageError("--config is required: the path of hoopgate.toml")
        if self.parent is not None:
            logging.install(self.parent)


def makeService(options: Options) -> IService:
    """The gateway's service, made before twistd goes to the background or drops privileges.

    :raises SystemExit: the settings are wrong; every mistake is printed, a line each.
    """
    path = Path(options["config"])
    alone = bool(options["witness-only"])
    try:
        settings = None if alone else load(path)
        witness = load_witness(path) if settings is None else settings.witness
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        raise SystemExit(1) from None
    # Only now: the reactor is installed by twistd's own option.
    from twisted.internet import reactor

    from hoopgate.console.site import make_console
    from hoopgate.gateway.service import make_service
    from hoopgate.gateway.witness import WitnessService

    serving: Any = MultiService()
    if witness is not None:
        serving.addService(WitnessService(witness, reactor))
    if settings is not None:
        if witness is None:
            return make_service(settings, reactor, make_console)
        serving.addService(make_service(settings, reactor, make_console))
    return IService(serving)
