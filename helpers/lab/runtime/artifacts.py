"""The programs that come from Maven Central: what exactly they are, and how they reach this machine."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from helpers.lab.errors import ChecksumError, DownloadError, NotWritable

_LIST = Path(__file__).parent.parent / "conf" / "artifacts.txt"
_UNPACKED = "unpacked"
_AT_ONCE = 6
_OFFLINE = (
    "The first run needs the internet (about 225 MB). On a machine that has it run `lab prefetch --to DIR`, carry the "
    "folder over, and run `lab prefetch --from DIR` here. Files that arrived are kept: the next run goes on from there."
)

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Artifact:
    """One file: Maven coordinates, size in bytes, SHA-256 in hex."""

    service: str
    group: str
    name: str
    version: str
    classifier: str
    packaging: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The file's name in the repository and in the cache."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"

    def path(self, cache: Path) -> Path:
        """Where the file lies in the cache. Named by its digest too, so another version never shadows it."""
        return cache / "artifacts" / self.sha256[:12] / self.filename


def listed(*services: str) -> list[Artifact]:
    """Return the artifacts of the named services (``kafka``, ``apicurio``, ``artemis``), or of all."""
    artifacts = []
    for line in _LIST.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        service, coordinates, size, sha256 = line.split("\t")
        coordinates, _, packaging = coordinates.partition("@")
        group, name, version, *classifier = coordinates.split(":")
        made = Artifact(service, group, name, version, "".join(classifier), packaging or "jar", int(size), sha256)
        artifacts.append(made)
    return [each for each in artifacts if not services or each.service in services]


def missing(artifacts: Iterable[Artifact], cache: Path) -> list[Artifact]:
    """Return those not yet in the cache. What is there was verified when it arrived; its size is looked at again."""
    unique = {each.sha256: (each, each.path(cache)) for each in artifacts}
    return [each for each, path in unique.values() if not path.is_file() or path.stat().st_size != each.size]


def fetch(artifacts: Iterable[Artifact], cache: Path, *, advance: Progress = lambda _: None) -> None:
    """Download what the cache lacks, several files at once; ``advance`` is called with bytes as they arrive.

    A file enters the cache whole and verified, or not at all.

    Raises:
        DownloadError: No network, or the connection broke. Files that arrived before are kept.
        ChecksumError: A file is not the one that was tested.
        NotWritable: The cache folder cannot be written, or its disk is full.
    """
    stopped = threading.Event()

    def arrived(count: int) -> None:
        if stopped.is_set():
            raise RuntimeError("the other files need not arrive any more")
        advance(count)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(_fetch_one, each, cache, arrived) for each in missing(artifacts, cache)]
        try:
            for future in futures:
                future.result()
        except BaseException:  # Ctrl-C too: do not wait for the rest of a large file
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def copy(artifacts: Iterable[Artifact], source: Path, target: Path, *, advance: Progress = lambda _: None) -> None:
    """Copy artifacts from one cache folder to another, verifying each: how a lab reaches a machine without a network.

    Raises:
        DownloadError: ``source`` lacks a file.
        ChecksumError: A file in ``source`` is damaged.
        NotWritable: ``target`` cannot be written.
    """
    for each in missing(artifacts, target):
        origin = each.path(source)
        if not origin.is_file():
            raise DownloadError(
                each.filename,
                f"{source} does not hold it",
                remedy=f"On a machine with internet, with this version of the lessons: `lab prefetch --to {source}`.",
            )
        with staging(target) as folder:
            staged = Path(shutil.copyfile(origin, folder / each.filename))
            _admit(each, staged, target)
        advance(each.size)


def discard_damaged(service: str, cache: Path) -> list[str]:
    """Delete the files of a service that are not what was downloaded any more, and return their names."""
    damaged = []
    for each in listed(service):
        path = each.path(cache)
        shutil.rmtree(path.parent / _UNPACKED, ignore_errors=True)  # the next start unpacks it again, in a second
        if path.is_file() and _digest(path) != each.sha256:
            path.unlink()
            damaged.append(each.filename)
    return damaged


def unpacked(artifact: Artifact, cache: Path) -> Path:
    """Return the folder with a ``tar.gz`` artifact's contents, unpacking it the first time.

    Raises:
        NotWritable: The cache folder cannot be written.
    """
    folder = artifact.path(cache).parent / _UNPACKED
    if not folder.is_dir():
        with staging(cache) as staged, tarfile.open(artifact.path(cache)) as archive:
            # Python 3.14 filters by default; Debian 12's Python has no filters, and the archive's digest was checked.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(staged / _UNPACKED)  # noqa: S202
            _rename(staged / _UNPACKED, folder)
    return folder


def _fetch_one(artifact: Artifact, cache: Path, advance: Progress) -> None:
    import requests
    from jgo.maven import MavenContext, PythonResolver

    def meter(_name: str, _total: int) -> AbstractContextManager[Progress]:
        return nullcontext(advance)

    with staging(cache) as folder:
        maven = MavenContext(resolver=PythonResolver(progress_callback=meter), repo_cache=folder, timeout=30)
        component = maven.project(artifact.group, artifact.name).at_version(artifact.version)
        try:
            staged = component.artifact(artifact.classifier, artifact.packaging).resolve()
        except (requests.RequestException, RuntimeError) as error:
            cause = f"Maven Central did not deliver it ({type(error).__name__})"
            raise DownloadError(artifact.filename, cause, remedy=_OFFLINE) from error
        _admit(artifact, staged, cache)


def _admit(artifact: Artifact, staged: Path, cache: Path) -> None:
    if (size := staged.stat().st_size) < artifact.size:
        cause = f"only {size:,} of its {artifact.size:,} bytes arrived"
        raise DownloadError(artifact.filename, cause, remedy=_OFFLINE)
    if (found := _digest(staged)) != artifact.sha256:
        raise ChecksumError(artifact.filename, expected=artifact.sha256, found=found)
    _rename(staged, artifact.path(cache))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.replace(target)
    except OSError:
        if not target.exists():  # two labs may unpack the same archive at once; the first one wins
            raise


@contextmanager
def staging(cache: Path) -> Iterator[Path]:
    """A folder on the cache's own disk, gone afterwards: a rename from it into the cache is atomic."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".arriving-", dir=cache, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    except OSError as error:
        raise NotWritable(cache, reason=error.strerror or str(error)) from error
