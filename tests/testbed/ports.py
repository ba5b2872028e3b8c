"""Ports for servers that cannot be told to take any free one."""

from __future__ import annotations

import random
import socket

#: Below the range the kernel hands out to clients, so that no outgoing connection takes the port
#: between the look and the server's bind.
_FIRST, _LAST = 15_000, 32_000


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on.

    :raises OSError: none was found.
    """
    for port in random.sample(range(_FIRST, _LAST), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free TCP port between {_FIRST} and {_LAST} on 127.0.0.1")
