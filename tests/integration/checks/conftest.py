"""The recorder that the checks' tests look through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from helpers.checks import Watch


@pytest.fixture
def watch(here: Any, unique: Callable[[str], str], request: pytest.FixtureRequest) -> Iterator[Watch]:
    """A recorder of what happens in a new namespace: on MQTT under the module's ``MQTT_FILTERS``, and on Kafka.

    A module without filters does not touch the MQTT broker. If its tests do not either, it has the marker
    ``without_mqtt``.
    """
    filters = getattr(request.module, "MQTT_FILTERS", None)
    recorder = Watch(replace(here, ns=f"{unique('ana')}-"), mqtt_filters=filters)
    yield recorder
    recorder.close()
