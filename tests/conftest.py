"""What all tests share: a lab of their own, unique names, and skips that count as failures where CI asks for it.

The lab lives in a temporary folder and listens on free ports, so a lab that runs already is never touched. It is
started when the first test asks for it. Its MQTT broker is Mosquitto where that is installed, else Artemis; ``--mqtt``
chooses. A test that depends on this choice, because one of its fixtures does, has the marker ``mqtt``, by which it can
be run on the other one too. A test marked ``without_mqtt`` uses the other services only; its ``here`` has no broker.
One marked ``any_mqtt`` has a broker, and would find the same on each.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock, Timeout
from hypothesis import HealthCheck, settings

from tests import ordering

# A busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# With LAB_CI set a skipped test fails, unless its reason has this in it.
BY_DESIGN = "by design: "
KEPT = {"LAB_CACHE", "LAB_CI"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mqtt",
        choices=["native", "embedded"],
        default=None,
        help="MQTT broker of the tests' lab: native (Mosquitto) or embedded (Artemis)",
    )
    parser.addoption(
        "--again", action="store_true", help="let nbmake run each lesson once more, untouched after it was solved"
    )


def pytest_configure() -> None:
    # SIGTERM too lets fixtures end the lab. A shell starts programs in the background with SIGINT ignored, which what
    # tests start and interrupt would inherit.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    for item in items:
        if "mqtt_provider" in getattr(item, "fixturenames", ()) and not any(
            map(item.get_closest_marker, ("without_mqtt", "any_mqtt"))
        ):
            item.add_marker(pytest.mark.mqtt)
        if item.get_closest_marker("weekly"):
            item.add_marker(pytest.mark.slow)
    yield  # now -m looks for the markers
    if (workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) > 1:
        items[:] = ordering.dealt(items, workers)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the brokers of workers that were killed: after Ctrl-C, pytest-xdist gives a worker ten seconds."""
    if config.pluginmanager.has_plugin("dsession"):
        end_what_started_below(config._tmp_path_factory.getbasetemp())


def end_what_started_below(folder: Path) -> None:
    """Kill each process of a lab in ``folder``, and each scratch broker whose Python is gone."""
    from helpers.lab.runtime.processes import sweep

    sweep()
    for process in psutil.process_iter(["environ"]):
        started_in = (process.info["environ"] or {}).get("LAB_STARTED_IN")
        if started_in and Path(started_in).is_relative_to(folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    report = yield
    return _no_skips(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    report = yield
    return _no_skips(report)


def _no_skips(report: Any) -> Any:
    if os.environ.get("LAB_CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if BY_DESIGN not in reason:
            report.outcome = "failed"
            report.longrepr = f"{reason}\nLAB_CI is set: nothing may be missing here."
    return report


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Hide the ``LAB_*`` variables of the person who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in [each for each in os.environ if each.startswith("LAB_") and each not in KEPT]:
            patch.delenv(variable)
        # Every Java that a test starts, the lab's Kafka too: many are started, and none works for long.
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield


@pytest.fixture(scope="session")
def mqtt_provider(pytestconfig: pytest.Config) -> str:
    """Where the tests' MQTT broker comes from, ``native`` or ``embedded``: a test with this fixture depends on it."""
    from helpers.lab.runtime.program import on_path

    mqtt = str(pytestconfig.getoption("--mqtt") or ("native" if on_path("mosquitto") else "embedded"))
    if mqtt == "native" and not on_path("mosquitto"):
        pytest.skip("Mosquitto is not installed")
    return mqtt


@pytest.fixture(scope="session")
def lab_env(
    tmp_path_factory: pytest.TempPathFactory, mqtt_provider: str, _clean_environment: None
) -> Iterator[dict[str, str]]:
    """The environment in which ``lab``, a kernel or ``lab.connect()`` finds the tests' lab, which is up.

    Use it for programs that a test starts; in the test's own process take :func:`here`.
    """
    from helpers import lab
    from helpers.lab.runtime.program import on_path

    env = {
        **os.environ,
        "LAB_HOME": str(tmp_path_factory.mktemp("lab")),
        "LAB_PORTS": "any",
        "LAB_MQTT_PROVIDER": mqtt_provider,
        # Never the containers of the person who runs the tests.
        "LAB_KAFKA_PROVIDER": "embedded",
        "LAB_REGISTRY_PROVIDER": "embedded",
        "LAB_INFLUXDB_PROVIDER": "native" if on_path("influxd") else "none",
    }
    settings = lab.Settings.from_environment(env)
    try:
        lab.up(settings)
        yield env
    finally:
        lab.down(settings)


@pytest.fixture(scope="session")
def _attached(lab_env: dict[str, str]) -> Any:
    from helpers import lab

    with pytest.MonkeyPatch.context() as patch:
        _as_in(lab_env, patch)
        return lab.connect()


@pytest.fixture
def here(
    request: pytest.FixtureRequest, lab_env: dict[str, str], _attached: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The tests' lab as a lesson sees it: ``here.mqtt``, ``here.kafka``, ``here.registry``, ``here.ns``.

    For as long as the test runs, this process's ``LAB_*`` variables are those of that lab.
    """
    _as_in(lab_env, monkeypatch)
    return replace(_attached, mqtt=None) if request.node.get_closest_marker("without_mqtt") else _attached


def _as_in(env: dict[str, str], patch: pytest.MonkeyPatch) -> None:
    for variable, value in env.items():
        if variable.startswith("LAB_"):
            patch.setenv(variable, value)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Make unique names: ``unique("readings")`` is ``readings-3f9c2a17``."""
    return lambda word: f"{word}-{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def place_for_a_cluster() -> Iterator[None]:
    """Wait until one more cluster of brokers may run on this machine, and hold its place."""
    from helpers.lab.settings import Settings

    cache = Settings.from_environment().cache
    cache.mkdir(parents=True, exist_ok=True)
    places = [FileLock(cache / f"cluster-{number}.lock") for number in range(ordering.CLUSTERS)]
    while not (place := _first_free(places)):
        time.sleep(0.2)
    with place:
        yield


def _first_free(places: list[FileLock]) -> Any:
    for each in places:
        with contextlib.suppress(Timeout):
            return each.acquire(blocking=False)
    return None


@pytest.fixture(scope="module")
def _one_cluster() -> Iterator[None]:
    """Hold a place while a module's tests use their cluster."""
    with place_for_a_cluster():
        yield


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """The folder for what a person may want to look at, such as screenshots. Git ignores it."""
    folder = Path(os.environ.get("LAB_ARTIFACTS") or Path(__file__).parent.parent / "artifacts")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
