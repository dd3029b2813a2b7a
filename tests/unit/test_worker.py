"""A worker starts, ends, comes back and says why it did not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from helpers import running
from helpers.paths import ROOT
from helpers.worker import Worker, WorkerError
from tests.waiting import wait_until

LIVES = "import sys, time\nprint('ready', *sys.argv[1:])\nwhile True: time.sleep(0.01)\n"


def program(folder: Path, text: str) -> Path:
    file = folder / "my program.py"
    file.write_text(text)
    return file


def test_it_runs_with_its_arguments_and_is_killed_at_the_end(tmp_path: Path) -> None:
    with Worker(program(tmp_path, LIVES), "two words", '{"a": 1}', name="watch-1") as worker:
        assert worker.alive
        assert worker.log == 'ready two words {"a": 1}\n'
    assert not worker.alive


def test_it_finds_a_module_beside_its_file(tmp_path: Path) -> None:
    (tmp_path / "careful.py").write_text("WORD = 'ready'\n")
    with Worker(program(tmp_path, "from careful import WORD\nprint(WORD)\nwhile True: pass")) as worker:
        assert worker.alive


def test_killed_and_started_again_it_was_away_in_between(tmp_path: Path) -> None:
    worker = Worker(program(tmp_path, LIVES))
    with worker:
        worker.kill()
        assert worker.away[-1][1] is None
        worker.start()
        [(began, ended)] = worker.away
        assert ended is not None
        assert began <= ended
        assert worker.log == "ready\nready\n"
    assert len(worker.away) == 2


def test_stop_lets_it_say_goodbye_and_does_not_wait_for_ever(tmp_path: Path) -> None:
    polite = f"import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit('goodbye'))\n{LIVES}"
    with Worker(program(tmp_path, polite)) as worker:
        worker.stop()
        assert worker.log.endswith("goodbye\n")
    deaf = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{LIVES}"
    with Worker(program(tmp_path, deaf)) as worker:
        worker.stop(grace=0.1)
        assert not worker.alive


def test_a_program_that_ends_too_soon_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"(?s)my program ended before it was ready.*ValueError: no fuel"):
        Worker(program(tmp_path, "raise ValueError('no fuel')")).start()


def test_a_program_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    worker = Worker(program(tmp_path, LIVES), ready="never printed")
    with pytest.raises(WorkerError, match="was not ready in 1 s"):
        worker.start(within=1)
    assert not worker.alive


def test_supervised_it_comes_back_each_time(tmp_path: Path) -> None:
    counts = "import pathlib\nfile = pathlib.Path('times')\nfile.write_text(file.read_text() + 'x')\n"
    (tmp_path / "times").write_text("")
    dies = f"{counts}print('ready')\nif len(file.read_text()) < 3: raise OSError(f'poison')\nwhile True: pass\n"
    with Worker(program(tmp_path, dies)) as worker:
        wait_until(lambda: not worker.alive, "the first death")
        while len((tmp_path / "times").read_text()) < 3:
            assert worker.supervise(0.1) <= 2
        assert worker.last_error == "OSError: poison"


def test_supervising_a_program_that_never_gets_ready_goes_on(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("")
    dies = "import os\nprint('ready' if not os.path.exists('broken2') else '')\nopen('broken2', 'w')\nraise OSError"
    with Worker(program(tmp_path, dies)) as worker:
        wait_until(lambda: not worker.alive, "the death")
        assert worker.supervise(0.5) >= 1


def test_the_next_worker_of_its_name_and_the_first_cell_end_it(tmp_path: Path) -> None:
    first = Worker(program(tmp_path, LIVES)).start()
    second = Worker(program(tmp_path, LIVES)).start()
    assert not first.alive
    running.end()
    assert not second.alive


def test_it_ends_with_the_kernel_even_if_that_is_killed(tmp_path: Path) -> None:
    file = program(tmp_path, LIVES)
    kernel = f"""
from pathlib import Path
from helpers.worker import Worker
worker = Worker(Path({str(file)!r})).start()
print(worker._process.pid, flush=True)
while True: pass
"""
    parent = subprocess.Popen([sys.executable, "-c", kernel], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the worker's end")
