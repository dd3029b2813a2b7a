"""The plan of `lab simulate`: contradictions are refused before anything is contacted, and the fleet keeps the rate."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import pytest

from helpers.cli.simulate import Plan
from helpers.errors import ConfigurationError


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"size": 0}, "--size"),
        ({"rate": 0}, "--rate"),
        ({"size": 1_000_001}, "--size"),
        ({"rate": -1.0}, "--rate"),
        ({"rate": 6001}, "--rate"),
        ({"rate": 1e-10}, "--rate"),
        ({"rate": float("nan")}, "--rate"),
        ({"duration": -1.0}, "--duration"),
        ({"duration": float("inf")}, "--duration"),
        ({"topic": ""}, "--topic"),
        ({"topic": "generators/+"}, "--topic"),
        ({"topic": "generators/#"}, "--topic"),
        ({"topic": "generators/{site}"}, "--topic"),
        ({"topic": "generators/{}"}, "--topic"),
        ({"topic": "generators/{device.id}"}, "--topic"),
        ({"topic": "generators/{device"}, "--topic"),
    ],
)
def test_what_cannot_be_published_is_refused(options: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Plan(**options)
    assert caught.value.setting == setting
    assert caught.value.remedy


def test_a_plan_has_as_many_readings_as_rate_and_duration_say() -> None:
    assert len(list(Plan(rate=50, duration=3).readings())) == 150


def test_the_highest_rate_is_one_that_the_fleet_takes() -> None:
    assert next(Plan(rate=6000).readings())


def test_without_a_duration_it_goes_on() -> None:
    assert len(list(islice(Plan().readings(), 1000))) == 1000


def test_the_generators_share_the_rate() -> None:
    readings = list(Plan(size=4, rate=8, duration=10).readings())
    assert {each.generator_id for each in readings[:4]} == {each.generator_id for each in readings[4:8]}
    mine = [each.time for each in readings if each.generator_id == readings[0].generator_id]
    assert {(after - before).total_seconds() for before, after in pairwise(mine)} == {0.5}


def test_the_same_seed_gives_the_same_fuel() -> None:
    def fuel(seed: int) -> list[float]:
        return [each.fuel for each in Plan(seed=seed, duration=10).readings()]

    assert fuel(1) == fuel(1)
    assert fuel(1) != fuel(2)
