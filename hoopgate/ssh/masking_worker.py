"""The child process that masks large files: ``python -m hoopgate.ssh.masking_worker``.

It speaks as :mod:`hoopgate.child` says; what is asked and answered is in ``masking.py``.
"""

from __future__ import annotations

import sys
from typing import Final

from hoopgate import child
from hoopgate.ssh import masking

MEMORY: Final = 2 * 2**30


def main() -> None:
    child.confine(MEMORY)
    child.serve(sys.stdin.buffer, sys.stdout.buffer, masking.answer)


if __name__ == "__main__":
    main()
