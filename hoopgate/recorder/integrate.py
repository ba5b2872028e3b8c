"""From durable leaves to a signed checkpoint: tiles, read again and hashed again, then signed.

It runs beside the commits, on a thread of its own: the tiles can be made again from the segments,
so no request ever waits for them.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from hoopgate.errors import HeadAway
from hoopgate.recorder.errors import BadLog
from hoopgate.recorder.files import (
    make_directory,
    number_of,
    read_whole,
    replace_file,
    sync_directory,
    write_file,
)
from hoopgate.recorder.head import Heads
from hoopgate.recorder.note import Checkpoint
from hoopgate.recorder.signer import Signer
from hoopgate.recorder.tiles import (
    CHECKPOINT,
    WIDTH,
    Edge,
    TileReader,
    bundle_path,
    partial_directory,
    tile_path,
    tile_width,
)
from hoopgate.recorder.tree import Frontier, frontier, leaf_hash

_HEAD_SECONDS = 1.0  # before a head that was away is asked again
BACKLOG = 65_536  #: leaves that may wait for their tiles before commits wait, too
#: After so many leaves the interpreter is left to others for so many seconds: what is compiled
#: gives it back for nothing else, and every client would wait.
_TURN_LEAVES = 32
_TURN_SECONDS = 0.0002


class Integrator:
    """Adds leaves to the tree on disk and signs it.

    :param heads: where the newest checkpoint is kept outside the log; moved on before each one is
        published.
    """

    def __init__(self, directory: Path, signer: Signer, edge: Edge, tree: Frontier, heads: Heads):
        self.signed = tree.size  #: size of the last checkpoint
        #: called with each new checkpoint, signed
        self.published: Callable[[bytes], object] = lambda note: None
        #: called every few leaves
        self.give_way: Callable[[], object] = lambda: None
        self._directory = directory
        self._signer = signer
        self._edge = edge
        self._tree = tree
        self._heads = heads
        self._written: set[str] = set()
        self._directories: set[Path] = set()

    def add(self, leaves: Iterable[tuple[bytes, bytes]]) -> None:
        """Leaves that are durable, in order, with their hashes."""
        for leaf, hashed in leaves:
            self._edge.append(leaf, hashed)
            self._tree.append(hashed)
            if not self._edge.size % _TURN_LEAVES:
                self.give_way()

    def checkpoint(self) -> None:
        """Write the tiles, check them, sign.

        :raises BadLog: what was read back is not what was recorded, and nothing was signed; or
            another process has moved the head.
        :raises OSError: may be called again after it; as after ``HeadAway``.
        """
        edge = self._edge
        files = {**edge.pending, **edge.partials()}
        new = [name for name in files if name not in self._written]
        try:
            self._write({name: files[name] for name in new})
        except OSError:
            # The next try may be of another size: leave no partial tile that nobody signed.
            for name in new:
                if ".p/" in name:
                    with suppress(OSError):
                        (self._directory / name).unlink()
            raise
        self._written.update(new)
        root = self._check()
        note = self._signer.sign(Checkpoint(self._signer.name, edge.size, root))
        self._heads.swap(note)
        replace_file(self._directory / CHECKPOINT, note)
        for name in edge.finished:
            # The full tile makes them superfluous; a failure leaves superfluous files, no more.
            partials = self._directory / partial_directory(name)
            with suppress(OSError):
                shutil.rmtree(partials)
            self._directories.discard(partials)
        edge.finished.clear()
        edge.pending.clear()
        self._written = {name for name in self._written if name in files and ".p/" in name}
        self.signed = edge.size
        self.published(note)

    def close(self) -> None:
        """Nothing is signed any more."""
        self._signer.close()

    def _write(self, files: dict[str, bytes]) -> None:
        touched: set[Path] = set()
        for name, content in files.items():
            path = self._directory / name
            if path.parent not in self._directories:
                make_directory(path.parent)
                self._directories.add(path.parent)
            write_file(path, content)
            touched.add(path.parent)
        for parent in touched:
            sync_directory(parent)

    def _check(self) -> bytes:
        """Hash what lies on the disk. A bit that flipped in memory since a leaf was hashed at its
        commit, or on the way to the disk, must not be signed."""
        size = self._edge.size
        reader = TileReader(size, lambda name: read_whole(self._directory / name))
        for number in range(self.signed // WIDTH, (size + WIDTH - 1) // WIDTH):
            hashes = reader.tile(0, number)
            for at, entry in enumerate(reader.bundle(number)):
                if leaf_hash(entry) != hashes[at]:
                    raise BadLog("read back, entry and hash differ", index=number * WIDTH + at)
                if not at % _TURN_LEAVES:
                    self.give_way()
        root = frontier(size, reader.subtree).root()
        if root != self._tree.root():
            raise BadLog(f"read back, the tiles of {size} leaves have another root")
        return root


def discard_unsigned(directory: Path, size: int) -> None:
    """Remove the partial tiles and bundles above a checkpoint of ``size`` leaves: written by a
    process that ended before it could sign them, perhaps torn."""
    level = 0
    while level == 0 or size >> 8 * level:
        number = (size >> 8 * level) // WIDTH
        kinds: list[Callable[[int], str]] = [partial(tile_path, level)]
        for path_of in [*kinds, bundle_path] if level == 0 else kinds:
            at, width = number, tile_width(level, number, size)
            while True:
                full = directory / path_of(at)
                partials = directory / partial_directory(path_of(at))
                for name in os.listdir(partials) if partials.is_dir() else ():
                    if number_of(name) > width:
                        (partials / name).unlink()
                if not full.exists():
                    break
                at, width = at + 1, 0
        level += 1


class IntegratorThread(threading.Thread):
    """Signs a checkpoint at most ``interval`` seconds after leaves were handed over."""

    def __init__(
        self,
        integrator: Integrator,
        interval: float,
        *,
        release: Callable[[], bool],
        failed: Callable[[BaseException], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(name="hoopgate-log-integrator", daemon=True)
        self._integrator = integrator
        integrator.give_way = self._give_way
        self._interval = interval
        self._release = release
        self._failed = failed
        self._ended = ended
        self._waiting: deque[list[tuple[bytes, bytes]]] = deque()
        self._given = self._taken = 0
        self._dirty = threading.Event()
        self._finishing = threading.Event()
        self._abandoned = False
        self.away = False  #: the head that is kept elsewhere cannot be moved
        self.on_head: Callable[[bool], object] = lambda away: None

    def hand_over(self, leaves: list[tuple[bytes, bytes]]) -> None:
        """From the writer's thread: leaves that are durable. Blocks while too many wait."""
        self._given += len(leaves)
        self._waiting.append(leaves)
        if not self._dirty.is_set():
            self._dirty.set()
        while self._given - self._taken > BACKLOG and self.is_alive():
            time.sleep(0.01)

    def finish(self) -> None:
        """Sign what there is, then end. Nothing may be handed over after it."""
        self._finishing.set()
        self._dirty.set()

    def abandon(self) -> None:
        """End without signing."""
        self._abandoned = True
        self.finish()

    def _give_way(self) -> None:
        # One that falls behind would have the commits wait for it.
        if self._given - self._taken < BACKLOG // 4 and not self._finishing.is_set():
            time.sleep(_TURN_SECONDS)

    def run(self) -> None:
        try:
            started = time.monotonic()
            while not self._finishing.is_set():
                self._dirty.wait()
                self._finishing.wait(started + self._interval * 0.75 - time.monotonic())
                started = time.monotonic()
                self._dirty.clear()
                self._integrate()
            if self._abandoned:
                return
            self._integrate()
        except Exception as error:  # noqa: BLE001 - a log without checkpoints must not go on
            self._failed(error)
            return
        self._ended()

    def _integrate(self) -> None:
        given = self._given  # what comes meanwhile is for the next checkpoint: this one is due
        while self._waiting and self._taken < given:
            leaves = self._waiting.popleft()
            self._integrator.add(leaves)
            self._taken += len(leaves)
        try:
            self._checkpoint()
        except OSError as error:
            # A full disk refuses requests; the checkpoint comes when there is room again.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            if self._finishing.is_set():
                if not self._release():
                    raise
                self._checkpoint()
            else:
                self._dirty.set()

    def _checkpoint(self) -> None:
        """Sign, if the head can be moved on; if not, it is tried again, and meanwhile what is
        recorded waits for its checkpoint, up to :data:`BACKLOG`."""
        try:
            self._integrator.checkpoint()
        except HeadAway:
            if not self.away:
                self.away = True
                self.on_head(True)
            if not self._finishing.wait(_HEAD_SECONDS):
                self._dirty.set()
            # At the end it stays unsigned: it is durable, and the next start signs it.
        else:
            if self.away:
                self.away = False
                self.on_head(False)
