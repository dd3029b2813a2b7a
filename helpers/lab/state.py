"""What the lab stores between commands: one file in its home, replaced atomically, behind a lock."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from helpers.lab.errors import LabBusy, NotWritable
from helpers.lab.runtime.processes import Process
from helpers.lab.services.table import PROGRAMS, SERVICES

_VERSION = 1
_BUSY_AFTER = 120.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """One service that ``lab up`` started: its program, process and ports, and whether it was ever ready."""

    service: str
    program: str
    pid: int
    started: float
    ports: tuple[int, ...]
    ready: bool = True

    def __post_init__(self) -> None:
        if self.program not in PROGRAMS or len(self.ports) != len(SERVICES[self.service].ports):
            raise ValueError(self.ports)

    @property
    def process(self) -> Process:
        """The process, which may have ended."""
        return Process(self.pid, self.started)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Where others reach this lab: the address they know, the IP address behind it, a port for each service."""

    address: str
    ip: str
    ports: dict[str, int]


class State:
    """The services that this lab started, by name, and how it is shared, if it is."""

    def __init__(self, home: Path) -> None:
        self._file = home / "state.json"
        self.services: dict[str, Running] = {}
        self.shared: Shared | None = None
        self.unreadable = False
        self._recording = threading.Lock()

    @classmethod
    def load(cls, home: Path) -> State:
        """Read the file. If there is none, nothing runs; one that cannot be read is renamed, and ``unreadable``.

        Raises:
            NotWritable: ``home`` is not a folder, or may not be read.
        """
        state = cls(home)
        try:
            record = json.loads(state._file.read_text(encoding="utf-8"))
            for each in record[f"services-v{_VERSION}"]:
                running = Running(**{**each, "pid": int(each["pid"]), "ports": tuple(map(int, each["ports"]))})
                state.services[running.service] = running
            state.shared = Shared(**record["shared"]) if record.get("shared") else None
        except FileNotFoundError:
            pass
        except OSError as error:
            raise NotWritable(home, reason=error.strerror or str(error)) from error
        except (ValueError, KeyError, TypeError):
            state.services = {}
            state.unreadable = True
            state._file.replace(state._file.with_suffix(".unreadable"))
        return state

    def record(self, running: Running) -> None:
        """Store a service as soon as its process exists: an interrupted start must not forget it."""
        with self._recording:
            self.services[running.service] = running
            self.save()

    def save(self) -> None:
        """Write the file; it is replaced atomically."""
        record: dict[str, Any] = {f"services-v{_VERSION}": [asdict(each) for each in self.services.values()]}
        record["shared"] = asdict(self.shared) if self.shared else None
        draft = self._file.with_suffix(".draft")
        try:
            draft.write_text(json.dumps(record, indent=1), encoding="utf-8")
            draft.replace(self._file)
        except OSError as error:
            raise NotWritable(self._file.parent, reason=error.strerror or str(error)) from error


@contextmanager
def locked(home: Path, *, seconds: float = _BUSY_AFTER) -> Iterator[State]:
    """Hold the lab's lock and give its state.

    Raises:
        NotWritable: ``home`` cannot be written.
        LabBusy: Another command held the lock for that long.
    """
    lock = FileLock(home / "lock")
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=seconds)
    except Timeout as error:
        raise LabBusy(home, seconds=seconds) from error
    except OSError as error:
        raise NotWritable(home, reason=error.strerror or str(error)) from error
    try:
        yield State.load(home)
    finally:
        lock.release()
