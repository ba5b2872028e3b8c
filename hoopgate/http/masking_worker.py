"""The child process that masks large answers: ``python -m hoopgate.http.masking_worker``.

It speaks as :mod:`hoopgate.child` says; what is asked and answered is in ``masking_work.py``.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

from hoopgate import child
from hoopgate.http import masking_work

MEMORY: Final = 2 * 2**30


def main() -> None:
    child.confine(MEMORY)
    # A document is a tree of many objects, and no rubbish: looking for cycles in it takes a quarter
    # of the time.
    gc.set_threshold(500_000)
    child.serve(sys.stdin.buffer, sys.stdout.buffer, masking_work.answer)


if __name__ == "__main__":
    main()
