"""What the lab remembers between commands: one file in its home, written whole or not at all, behind a lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from helpers.errors import LabBusy, NotWritable
from helpers.lab.runtime.processes import Process
from helpers.lab.services.programs import PROGRAMS

_VERSION = 1
_BUSY_AFTER = 120.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """One service that ``lab up`` started: its program, process and ports (the service's own first)."""

    service: str
    program: str
    pid: int
    started: float
    ports: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.ports) != PROGRAMS[self.program].ports:
            raise ValueError(self.ports)

    @property
    def process(self) -> Process:
        """The process, dead or alive."""
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

    @classmethod
    def load(cls, home: Path) -> State:
        """Read the file. A missing one means nothing runs; an unreadable one is put aside and says so.

        Raises:
            NotWritable: ``home`` is no folder, or not ours.
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

    def save(self) -> None:
        """Write the file, whole or not at all."""
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
        LabBusy: Another command held the lock all the time.
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
