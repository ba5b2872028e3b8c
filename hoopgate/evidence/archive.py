"""A copy of the log in object storage that nobody can delete: S3 with Object Lock, COMPLIANCE mode.

Each pass copies what a signed checkpoint newly covers. Names say what an object holds, for ever: a
range of a segment's bytes, a tile, a sealed key, the checkpoint of a size. So an object that is
there is never written again, and of several versions of a name the first counts: whoever holds the
credentials can add versions, not remove the one that is locked.

===========================================  =====================================================
``checkpoints/SIZE``                         the signed checkpoint over SIZE leaves (12 digits)
``tile/…``                                   as in the log
``seg/NUMBER.hgs/OFFSET``                    bytes of a segment from OFFSET on (12 digits)
``wraps/SESSION.json``                       as in the log
===========================================  =====================================================
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from pathlib import Path
from typing import Any, Final

from hoopgate.errors import HoopgateError
from hoopgate.evidence.export import tile_content
from hoopgate.recorder.errors import BadLog, BadNote
from hoopgate.recorder.files import make_directory, read_whole, replace_file
from hoopgate.recorder.known import check_known
from hoopgate.recorder.leaf import decode
from hoopgate.recorder.note import Checkpoint, Note, Verifier
from hoopgate.recorder.reading import LogReader
from hoopgate.recorder.segments import OVERHEAD, segment_path
from hoopgate.recorder.tiles import WIDTH, bundle_path, tile_path, tile_width
from hoopgate.recorder.wraps import wrap_path

PART_BYTES: Final = 16 * 2**20
_DIGITS: Final = 12
_CHECKPOINTS: Final = "checkpoints/"
_NAME = re.compile(
    r"(?:checkpoints/[0-9]{12}|tile/(?:[0-9]+|entries)/[x0-9/]+(?:\.p/[0-9]+)?|"
    r"seg/[0-9]{8,10}\.hgs/[0-9]{12}|wraps/[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.json)\Z"
)


class ArchiveFailed(HoopgateError):
    """The object storage did not do what was asked, or does not hold what it should."""


def connect(endpoint: str | None) -> Any:
    """A client of S3. Credentials and region come from where the AWS SDK looks for them.

    :raises HoopgateError: the extra ``s3`` is not installed.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise HoopgateError("object storage needs boto3: pip install 'hoopgate[s3]'") from None
    config = Config(
        retries={"max_attempts": 5, "mode": "standard"},
        request_checksum_calculation="when_required",  # not every server knows the newer ones
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint else {},
    )
    return boto3.client("s3", endpoint_url=endpoint, config=config)


@dataclass(slots=True)
class Progress:
    """What was copied, in a file; may be lost: then everything is looked at again.

    :ivar size: leaves copied.
    :ivar segments: segment → bytes copied, for the last ones.
    """

    path: Path
    size: int = 0
    segments: dict[int, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Progress:
        """:raises HoopgateError: the file is no such thing."""
        try:
            given = json.loads(path.read_bytes())
            segments = {int(number): int(end) for number, end in given["segments"].items()}
            return cls(path, int(given["size"]), segments)
        except FileNotFoundError:
            make_directory(path.parent, 0o700)
            return cls(path)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            raise HoopgateError(f"{path} is damaged: remove it, everything is looked at") from None

    def save(self) -> None:
        about = {"size": self.size, "segments": self.segments}
        replace_file(self.path, json.dumps(about).encode())


class Bucket:
    """A prefix of a bucket.

    :param retention: seconds that what is written stays locked.
    """

    def __init__(self, client: Any, name: str, prefix: str, retention: float = 0.0) -> None:
        self._client = client
        self._name = name
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._retention = retention
        self.written = 0

    def check_lock(self) -> None:
        """:raises ArchiveFailed: the bucket has no Object Lock."""
        found = self._call("get_object_lock_configuration", Bucket=self._name)
        if found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") != "Enabled":
            raise ArchiveFailed(f"the bucket {self._name} has no Object Lock: make one with it")

    def put(self, name: str, data: bytes) -> None:
        """Write an object unless it is there, read it back, look at its lock.

        :raises ArchiveFailed: another content is there, or it is not locked.
        """
        key = self._prefix + name
        hashed = sha256(data).hexdigest()
        first = self.first(name)
        until: datetime | None = None
        if first is None:
            until = datetime.now(UTC) + timedelta(seconds=self._retention)
            done = self._call(
                "put_object",
                Bucket=self._name,
                Key=key,
                Body=data,
                ContentMD5=b64encode(md5(data, usedforsecurity=False).digest()).decode(),
                Metadata={"sha256": hashed},
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
            first = str(done["VersionId"])
            self.written += 1
        if sha256(self.read(name, first)).hexdigest() != hashed:
            raise ArchiveFailed(f"{key}: what is there is not what was written")
        locked = self.check_locked(name, first)
        if until is not None and locked < until - timedelta(seconds=60):
            raise ArchiveFailed(f"{key} is locked until {locked:%Y-%m-%d} only")

    def first(self, name: str) -> str | None:
        """The first version of an object."""
        versions = self.versions(name).get(name)
        return versions[0] if versions else None

    def versions(self, start: str = "") -> dict[str, list[str]]:
        """Names that begin so, and their versions, the first one first."""
        found: dict[str, list[tuple[datetime, int, str]]] = {}
        more: dict[str, Any] = {}
        while True:
            page = self._call(
                "list_object_versions", Bucket=self._name, Prefix=self._prefix + start, **more
            )
            for one in page.get("Versions", []):
                name = str(one["Key"]).removeprefix(self._prefix)
                entries = found.setdefault(name, [])
                # Listed from the newest on; a server's times may be of whole seconds.
                entries.append((one["LastModified"], -len(entries), str(one["VersionId"])))
            if not page.get("IsTruncated"):
                break
            more = {
                "KeyMarker": page["NextKeyMarker"],
                "VersionIdMarker": page.get("NextVersionIdMarker", ""),
            }
        return {name: [id for _, _, id in sorted(entries)] for name, entries in found.items()}

    def read(self, name: str, version: str) -> bytes:
        """A version's content."""
        got = self._call(
            "get_object", Bucket=self._name, Key=self._prefix + name, VersionId=version
        )
        data: bytes = got["Body"].read()
        return data

    def get(self, name: str, versions: list[str]) -> bytes:
        """An object's content: the first version that is whole.

        :raises ArchiveFailed: none is.
        """
        for version in versions:
            head = self._head(name, version)
            data = self.read(name, version)
            if head.get("Metadata", {}).get("sha256") == sha256(data).hexdigest():
                return data
        raise ArchiveFailed(f"{self._prefix}{name}: no version is what was written")

    def check_locked(self, name: str, version: str) -> datetime:
        """Until when a version is locked.

        :raises ArchiveFailed: it is not, or not in COMPLIANCE mode, or too shortly.
        """
        head = self._head(name, version)
        until = head.get("ObjectLockRetainUntilDate")
        if head.get("ObjectLockMode") != "COMPLIANCE" or not isinstance(until, datetime):
            raise ArchiveFailed(f"{self._prefix}{name} is not locked in COMPLIANCE mode")
        return until

    def _head(self, name: str, version: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._call(
            "head_object", Bucket=self._name, Key=self._prefix + name, VersionId=version
        )
        return found

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, operation)(**arguments)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "?")
            where = arguments.get("Key") or arguments["Bucket"]
            raise ArchiveFailed(f"{operation} {where}: {code}") from None
        except BotoCoreError as error:
            raise ArchiveFailed(f"{operation}: {type(error).__name__}") from None


def upload(
    log: LogReader, bucket: Bucket, progress: Progress, retired: Sequence[Verifier] = ()
) -> int:
    """Copy what the log's checkpoint newly covers; how many objects were written.

    The bucket's own last checkpoint comes first: a log that does not continue it is not copied.

    :param retired: keys that the log had before, which may have signed that one.
    :raises BadLog: the log was rolled back, rewritten, or is not what was signed.
    :raises ArchiveFailed: the storage does not hold what it was given.
    """
    before = bucket.written
    kept = newest_checkpoint(bucket)
    if kept is not None:
        check_known(log, [("the newest checkpoint of the archive", kept)], retired)
    if progress.size > log.size:
        progress.size, progress.segments = 0, {}
    ends: dict[int, int] = {}
    for index in range(progress.size, log.size):
        if index == progress.size or index % WIDTH == 0:
            entries = log.tiles.bundle(index // WIDTH)
        entry = entries[index % WIDTH]
        leaf = decode(entry)
        ends[leaf["segment"]] = leaf["offset"] + OVERHEAD + len(entry) + leaf["length"]
        if leaf["type"] in ("session.open", "epoch.start"):
            path = wrap_path(log.directory, leaf["session"])
            if path.exists():  # else it was shredded, which the verification looks at
                bucket.put(f"wraps/{leaf['session']}.json", read_whole(path))
    newest = max(ends, default=0)
    for number in sorted({*progress.segments, *ends}):
        path = segment_path(log.directory, number)
        # What a crash has torn is evidence, too, once the next segment has sealed it.
        end = ends[number] if number == newest else path.stat().st_size
        if newest or number in ends:
            _segment(bucket, path, progress.segments.get(number, 0), end)
            progress.segments[number] = end
    for name in _tiles(progress.size, log.size):
        bucket.put(name, tile_content(log.directory, name))
    name = _checkpoint_name(log.size)
    if bucket.first(name) is None:  # the same one may have got more cosignatures since
        bucket.put(name, log.note)
    progress.size = log.size
    progress.segments = {n: e for n, e in progress.segments.items() if n >= (newest or n)}
    progress.save()
    return bucket.written - before


def _segment(bucket: Bucket, path: Path, start: int, end: int) -> None:
    with path.open("rb") as file:
        while start < end:
            name = f"seg/{path.name}/{start:0{_DIGITS}d}"
            first = bucket.first(name)  # from a pass that ended before it could say so
            there = bucket.read(name, first) if first is not None else b""
            file.seek(start)
            data = file.read(len(there) or min(PART_BYTES, end - start))
            if not data or (there and there != data):
                raise BadLog(f"{path.name}: from byte {start} on it is not what the archive holds")
            bucket.put(name, data)
            start += len(data)


def _tiles(done: int, size: int) -> Iterator[str]:
    """Names of the tiles and bundles that a tree of ``size`` leaves has and one of ``done`` had
    not."""
    if done == size:
        return
    level = 0
    while size >> 8 * level:
        for number in range((done >> 8 * level) // WIDTH, ((size >> 8 * level) - 1) // WIDTH + 1):
            width = tile_width(level, number, size)
            yield tile_path(level, number, width)
            if level == 0:
                yield bundle_path(number, width)
        level += 1


def newest_checkpoint(bucket: Bucket) -> bytes | None:
    """The archive's checkpoint over the most leaves.

    :raises ArchiveFailed: there is something else in its place.
    """
    names = bucket.versions(_CHECKPOINTS)
    for newest in sorted(names, reverse=True):
        note = bucket.get(newest, names[newest])
        # Who has the credentials may add a name, so that an old checkpoint comes to be the newest.
        try:
            size = Checkpoint.parse(Note.parse(note).text).size
        except BadNote:
            size = -1
        if newest != _checkpoint_name(size):
            raise ArchiveFailed(f"{newest[:80]!r} holds no checkpoint of that many leaves")
        return note
    return None


def _checkpoint_name(size: int) -> str:
    return f"{_CHECKPOINTS}{size:0{_DIGITS}d}"


def fetch(bucket: Bucket, out: Path) -> int:
    """Write the archive as a log into the new directory ``out``; how many objects it has. The
    log's verification is what shows that nothing is missing.

    :raises ArchiveFailed: there is none, an object is damaged, not locked, or of no log.
    """
    found = bucket.versions()
    newest = newest_checkpoint(bucket)
    if newest is None:
        raise ArchiveFailed("there is no archive of a log")
    if out.exists():
        raise ArchiveFailed(f"{out} is there already: name a new directory")
    for part in ("seg", "tile", "wraps"):
        (out / part).mkdir(parents=True)
    ends: dict[str, int] = {}
    for name, versions in sorted(found.items()):
        if _NAME.match(name) is None:
            raise ArchiveFailed(f"{name[:80]!r} is no object of an archive")
        bucket.check_locked(name, versions[0])
        data = bucket.get(name, versions)
        if name.startswith("seg/"):
            _, segment, offset = name.split("/")
            _append(out / "seg" / segment, int(offset), data, ends)
        elif not name.startswith(_CHECKPOINTS):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
    (out / "checkpoint").write_bytes(newest)
    return len(found)


def _append(path: Path, offset: int, data: bytes, ends: dict[str, int]) -> None:
    """Parts of a segment may overlap where a pass was interrupted; they may not leave a gap."""
    end = ends.get(path.name, 0)
    if offset > end:
        raise ArchiveFailed(f"{path.name}: bytes {end} to {offset} are missing")
    with path.open("ab") as file:
        file.write(data[end - offset :] if end > offset else data)
    ends[path.name] = max(end, offset + len(data))
