"""The fleet: physically consistent, exactly repeatable, and honest about its faults."""

import json
import math
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import groupby, islice, pairwise

import pytest
from hypothesis import given, strategies as st

from helpers.errors import FleetError, LessonError, OutOfRangeError
from helpers.fleet import START, Episode, Fault, Fleet, Site, known_sites
from helpers.fleet.fuel import litres_per_hour

SITE = Site("G-001", "Test", "hospital", 45.0, -20.0, 100.0, 1000.0)
seeds = st.integers(0, 10_000)
steps = st.lists(st.floats(0.01, 900), min_size=1, max_size=12)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.floats(0, 7200)),
        st.tuples(st.just("load"), st.floats(0, 100)),
        st.tuples(st.just("refuel"), st.floats(0, 2000)),
        st.tuples(st.just("on"), st.sampled_from(Fault)),
        st.tuples(st.just("off"), st.sampled_from(Fault)),
        st.tuples(st.just("stop"), st.none()),
    ),
    max_size=25,
)


def one(**options):
    fleet = Fleet(sites=[replace(SITE, **options.pop("site", {}))], **options)
    return fleet, fleet["G-001"]


def litres_accounted_for(generator):
    gone = generator.burnt + generator.leaked + generator.stolen
    return generator.initial_fuel + generator.refuelled - gone


# What a reading is


def test_a_value_is_exactly_six_fields_in_order():
    reading = next(Fleet(1).readings())
    assert list(reading.value()) == ["generatorID", "lat", "lon", "temperature", "pressure", "fuel"]
    assert json.loads(reading.to_json()) == reading.value()
    assert b" " not in reading.to_json()


def test_sequence_time_and_boot_travel_beside_it():
    reading = next(Fleet(1, start=datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))).readings(every=0.25))
    headers = dict(reading.headers())
    assert list(headers) == ["seq", "time", "boot"]
    assert headers == {"seq": "1", "time": "2026-05-01T10:00:00.250Z", "boot": reading.boot}
    assert reading.time == datetime(2026, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC)
    assert reading.time.tzinfo is UTC


def test_a_reading_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        next(Fleet(1).readings()).fuel = 0


@given(seeds, st.sets(st.sampled_from(Fault)))
def test_whatever_is_wrong_the_value_stays_finite_and_rounded(seed, faults):
    fleet, _ = one(seed=seed)
    for fault in faults:
        fleet.switch_on("G-001", fault, severity=10)
    for reading in fleet.readings(600, every=60):
        assert all(math.isfinite(x) for x in (reading.temperature, reading.pressure, reading.fuel))
        assert reading.pressure >= 0
        assert reading.fuel >= 0
        assert round(reading.temperature, 1) == reading.temperature
        assert round(reading.fuel, 2) == reading.fuel


# Repeating


@given(seeds, st.sampled_from([0.3, 1.0]))
def test_a_seeded_run_repeats_exactly(seed, outages):
    def run():
        fleet = Fleet(3, seed=seed, outages=outages)
        fleet.switch_on("G-002", Fault.NOISE, after=30)
        return list(fleet.readings(600, every=20))

    assert run() == run()


def test_another_seed_is_another_fleet():
    assert [g.fuel for g in Fleet(3, seed=1)] != [g.fuel for g in Fleet(3, seed=2)]


def test_a_generator_is_the_same_in_a_small_fleet_and_in_a_big_one():
    small = [r for r in Fleet(2).readings(120) if r.generator_id == "G-001"]
    big = [r for r in Fleet(50).readings(120) if r.generator_id == "G-001"]
    assert small == big


@given(seeds, steps)
def test_it_does_not_matter_into_how_many_steps_time_is_cut(seed, cuts):
    fleets = [one(seed=seed, outages=0.5) for _ in range(2)]
    for fleet, _ in fleets:
        fleet.switch_on("G-001", Fault.LEAK, after=100, lasting=1000)
    for cut in cuts:
        fleets[0][0].step(cut)
    fleets[1][0].step(sum(cuts))
    cut, whole = (generator for _, generator in fleets)
    assert cut.fuel == pytest.approx(whole.fuel, abs=1e-6)
    assert cut.burnt == pytest.approx(whole.burnt, abs=1e-6)
    assert cut.leaked == pytest.approx(whole.leaked, abs=1e-6)
    assert cut.temperature == pytest.approx(whole.temperature, abs=1e-6)


# Fuel


@given(seeds, st.floats(0, 100), st.floats(0.001, 3600 * 3))
def test_at_a_steady_load_fuel_burnt_is_the_rate_of_the_chart_times_the_time(seed, load, seconds):
    fleet, generator = one(seed=seed, site={"tank_litres": 10_000.0})
    generator.load_kw = load
    before = generator.fuel
    fleet.step(seconds)
    assert before - generator.fuel == pytest.approx(litres_per_hour(load, 100) * seconds / 3600, rel=1e-9, abs=1e-8)


@given(seeds)
def test_fuel_burnt_is_the_integral_of_the_burn_rate_while_the_load_wanders(seed):
    fleet, generator = one(seed=seed)
    integral, loads = 0.0, set()
    for _ in range(600):
        # The rate holds for the second that follows, so this sum is the integral and not an approximation.
        integral += litres_per_hour(generator.load_kw, 100) / 3600
        loads.add(generator.load_kw)
        fleet.step(1)
    assert len(loads) == 10
    assert generator.burnt == pytest.approx(integral, rel=1e-12)
    assert generator.initial_fuel - generator.fuel == pytest.approx(integral, rel=1e-9)


@given(seeds, actions)
def test_no_litre_appears_or_vanishes_whatever_is_done(seed, todo):
    fleet, generator = one(seed=seed, outages=0.7)
    for verb, argument in todo:
        match verb:
            case "step":
                fleet.step(argument)
            case "load":
                generator.set_load(argument)
            case "refuel":
                generator.refuel(argument)
            case "on":
                fleet.switch_on("G-001", argument)
            case "off":
                fleet.switch_off("G-001", argument)
            case _:
                getattr(generator, verb)()
        assert generator.fuel == pytest.approx(litres_accounted_for(generator), abs=1e-6)
        assert 0 <= generator.fuel <= SITE.tank_litres + 1e-9
        assert generator.clock == pytest.approx(fleet.clock)


def test_an_engine_stops_when_its_tank_is_dry_and_burns_no_more_than_was_in_it():
    fleet, generator = one()
    fleet.step(7 * 86400)
    assert (generator.fuel, generator.running, generator.load_kw, generator.pressure) == (0, False, 0, 0)
    assert generator.burnt == pytest.approx(generator.initial_fuel)
    with pytest.raises(FleetError, match="tank is empty") as caught:
        generator.start()
    assert caught.value.generator_id == "G-001"
    assert generator.refuel(100) == 100
    assert generator.running


def test_a_tank_takes_what_fits():
    _, generator = one()
    free = SITE.tank_litres - generator.fuel
    assert generator.refuel(5000) == pytest.approx(free)
    assert generator.refuel() == 0
    assert generator.fuel == SITE.tank_litres
    assert generator.refuelled == pytest.approx(free)


def test_a_tanker_keeps_a_fleet_going_when_asked_to():
    fleet = Fleet(6, refuel_at=0.2)
    lowest = min(
        generator.fuel / generator.site.tank_litres for _ in range(72) for generator in fleet if fleet.step(3600)
    )
    assert lowest >= 0.2
    assert all(generator.running for generator in fleet)
    assert all(g.fuel == pytest.approx(litres_accounted_for(g)) for g in fleet)


# Engine


def test_commands_are_obeyed():
    fleet, generator = one()
    generator.set_load(42)
    generator.stop()
    fleet.step(600)
    assert (generator.load_kw, generator.burn_rate, generator.burnt) == (0, 0, 0)
    generator.start()
    fleet.step(600)
    assert generator.load_kw == 42
    assert generator.burnt == pytest.approx(litres_per_hour(42, 100) / 6)


def test_an_engine_warms_up_and_cools_down_and_its_oil_thins():
    fleet, generator = one()
    generator.set_load(50)
    generator.stop()
    fleet.step(12 * 3600)
    standing = generator.temperature
    assert 30 < standing < 50
    generator.start()
    cold_oil = generator.pressure
    warming = [fleet.step(60)[0].temperature for _ in range(15)]
    assert warming == sorted(warming)
    assert 75 < warming[-1] < 95
    assert 300 < generator.pressure < cold_oil < 550
    generator.stop()
    cooling = [fleet.step(600)[0] for _ in range(12)]
    assert [r.temperature for r in cooling] == sorted((r.temperature for r in cooling), reverse=True)
    assert {r.pressure for r in cooling} == {0}


def test_the_day_shows_in_the_coolant_and_in_the_load():
    _, generator = one(site={"tank_litres": 100_000.0}, start=datetime(2026, 3, 2, 0, tzinfo=UTC))
    temperature, load = {}, {}
    for hour in range(1, 25):
        generator.advance(3600)
        temperature[hour], load[hour] = generator.temperature, generator.load_kw
    assert load[15] > load[3] + 20
    assert temperature[15] > temperature[3] + 3
    generator.load_kw = 50
    generator.advance(3 * 3600)
    night = generator.temperature
    generator.advance(12 * 3600)
    assert 3 < generator.temperature - night < 4  # the air alone: 12 degrees of it, of which 0.3 reach the coolant


def test_outages_make_a_patchwork_of_running_and_standing_by():
    always, some, never = (
        [r.pressure > 0 for r in Fleet(12, outages=share, refuel_at=0.5).readings(4 * 86400, every=600)]
        for share in (1, 0.4, 0)
    )
    assert all(always)
    assert not any(never)
    assert 0.3 < sum(some) / len(some) < 0.5


# Faults


def test_a_leak_drips_and_a_theft_pumps_at_the_sizes_on_record():
    fleet, generator = one()
    generator.stop()
    fleet.switch_on("G-001", Fault.LEAK, lasting=3600, severity=2)
    fleet.switch_on("G-001", "theft", after=90, lasting=300)
    fleet.step(7200)
    assert generator.leaked == pytest.approx(60)
    assert generator.stolen == pytest.approx(200)
    assert generator.burnt == 0


def test_overheating_shows_in_the_coolant():
    runs = [one() for _ in range(2)]
    runs[0][0].switch_on("G-001", Fault.OVERHEATING)
    hot, normal = (fleet.step(7200)[0].temperature for fleet, _ in runs)
    assert hot - normal == pytest.approx(25, abs=0.2)


def test_a_stuck_sensor_repeats_itself_while_fuel_goes_on_burning():
    fleet, generator = one()
    last = fleet.step(60)[0]
    fleet.switch_on("G-001", Fault.STUCK)
    readings = list(fleet.readings(3600, every=60))
    assert {(r.temperature, r.pressure, r.fuel) for r in readings} == {(last.temperature, last.pressure, last.fuel)}
    assert [r.seq for r in readings] == list(range(2, 62))
    assert generator.fuel < last.fuel - 5
    fleet.switch_off("G-001", Fault.STUCK)
    assert fleet.step(0)[0].fuel == round(generator.fuel, 2)


def test_a_noisy_sensor_scatters_about_the_truth_by_as_much_as_it_says():
    fleet, generator = one(site={"tank_litres": 10_000.0})
    fleet.switch_on("G-001", Fault.NOISE)
    errors = [fleet.step(1)[0].fuel - generator.fuel for _ in range(4000)]
    mean = sum(errors) / len(errors)
    deviation = math.sqrt(sum((error - mean) ** 2 for error in errors) / len(errors))
    assert abs(mean) < 15
    assert deviation == pytest.approx(200, rel=0.1)


def test_a_dropout_is_silence_that_leaves_no_gap_in_the_sequence():
    fleet = Fleet(2)
    fleet.switch_on("G-001", Fault.DROPOUT, after=10, lasting=20)
    mine = [r for r in fleet.readings(60) if r.generator_id == "G-001"]
    assert [r.seq for r in mine] == list(range(1, 41))
    assert [int((r.time - START).total_seconds()) for r in mine] == [*range(1, 10), *range(30, 61)]


def test_the_truth_is_on_record():
    fleet = Fleet(3)
    fleet.switch_on("G-002", Fault.THEFT, after=600, lasting=60, severity=2)
    fleet.switch_on("G-001", Fault.LEAK)
    fleet.step(300)
    assert fleet["G-001"].faults == {Fault.LEAK}
    fleet.switch_off("G-001", Fault.LEAK)
    at = [START + timedelta(seconds=s) for s in (0, 300, 600, 660)]
    assert fleet.truth() == [
        Episode(generator_id="G-001", fault=Fault.LEAK, began=at[0], ended=at[1]),
        Episode(generator_id="G-002", fault=Fault.THEFT, began=at[2], ended=at[3], severity=2),
    ]
    assert [fleet.truth()[1].covers(moment) for moment in at] == [False, False, True, False]
    fleet.switch_off("G-002", Fault.THEFT)
    assert len(fleet.truth()) == 1


@given(st.lists(st.tuples(st.floats(0, 5000), st.one_of(st.just(math.inf), st.floats(1, 5000))), max_size=8))
def test_episodes_of_one_fault_never_overlap(planned):
    fleet, _ = one()
    for after, lasting in planned:
        fleet.switch_on("G-001", Fault.LEAK, after=after, lasting=lasting)
        fleet.step(100)
    truth = fleet.truth()
    for earlier, later in pairwise(truth):
        assert earlier.ended is not None
        assert earlier.ended <= later.began


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(1, 500)), max_size=6), steps)
def test_what_leaked_is_the_time_on_record_times_the_rate(planned, cuts):
    fleet, generator = one(site={"tank_litres": 100_000.0})
    for after, lasting in planned:
        fleet.switch_on("G-001", Fault.LEAK, after=after, lasting=lasting)
    for cut in cuts:
        fleet.step(cut)
    seconds = sum(
        max(0.0, (min(e.ended, fleet.time) - e.began).total_seconds()) for e in fleet.truth() if e.began < fleet.time
    )
    assert generator.leaked == pytest.approx(30 * seconds / 3600, abs=1e-6)


# The fleet


def test_readings_come_in_time_order_one_of_each_generator_a_step():
    readings = list(Fleet(5).readings(seconds=3, every=0.1))
    assert len(readings) == 5 * 30
    assert [r.time for r in readings] == sorted(r.time for r in readings)
    for _, group in groupby(readings, key=lambda r: r.time):
        assert [r.generator_id for r in group] == ["G-001", "G-002", "G-003", "G-004", "G-005"]
    assert readings[-1].time == START + timedelta(seconds=3)
    assert [r.seq for r in readings if r.generator_id == "G-003"] == list(range(1, 31))


def test_without_an_end_it_goes_on_and_is_lazy():
    fleet = Fleet(2)
    assert len(list(islice(fleet.readings(), 10))) == 10
    assert fleet.clock == 5


def test_a_reboot_starts_the_sequence_again_under_a_new_name():
    fleet = Fleet(2)
    before = list(fleet.readings(3))
    fleet.reboot("G-001")
    after = list(fleet.readings(3))
    names = {(r.generator_id, r.boot, r.seq) for r in before + after}
    assert len(names) == 12
    assert [r.seq for r in after if r.generator_id == "G-001"] == [1, 2, 3]
    assert [r.seq for r in after if r.generator_id == "G-002"] == [4, 5, 6]


def test_another_start_is_another_boot():
    assert Fleet(1).step()[0].boot != Fleet(1, start=START + timedelta(seconds=1)).step()[0].boot


def test_a_big_fleet_has_names_and_places_of_its_own():
    fleet = Fleet(1200)
    assert len(fleet) == 1200
    assert [g.site for g in fleet][: len(known_sites())] == list(known_sites())
    assert [g.id for g in fleet] == [f"G-{number:03d}" for number in range(1, 1201)]
    assert len({(g.site.lat, g.site.lon) for g in fleet}) == 1200


# Bad input


@pytest.mark.parametrize(
    "mistake",
    [
        lambda _: Fleet(0),
        lambda _: Fleet(2.5),
        lambda _: Fleet(outages=1.1),
        lambda _: Fleet(refuel_at=-0.1),
        lambda _: Fleet(sites=[]),
        lambda _: Fleet(sites=[SITE, SITE]),
        lambda _: Fleet(start=datetime(2026, 1, 1)),  # noqa: DTZ001 - the mistake
        lambda _: replace(SITE, rated_kw=5000.0),
        lambda _: replace(SITE, lat=91.0),
        lambda _: replace(SITE, tank_litres=0.0),
        lambda fleet: fleet["G-999"],
        lambda fleet: fleet.reboot("nobody"),
        lambda fleet: fleet.switch_on("G-999", Fault.LEAK),
        lambda fleet: fleet.switch_on("G-001", "gremlins"),
        lambda fleet: fleet.switch_on("G-001", Fault.LEAK, after=-1),
        lambda fleet: fleet.switch_on("G-001", Fault.LEAK, severity=0),
        lambda fleet: fleet.switch_on("G-001", Fault.LEAK, severity=11),
        lambda fleet: fleet.switch_off("G-001", "gremlins"),
        lambda fleet: fleet.step(-1),
        lambda fleet: fleet.step(math.nan),
        lambda fleet: list(fleet.readings(-1)),
        lambda fleet: list(fleet.readings(1, every=0)),
        lambda fleet: fleet["G-001"].set_load(100.1),
        lambda fleet: fleet["G-001"].set_load("full"),
        lambda fleet: setattr(fleet["G-001"], "load_kw", -1),
        lambda fleet: fleet["G-001"].refuel(-1),
        lambda fleet: fleet["G-001"].refuel(math.nan),
    ],
)
def test_a_mistake_is_a_clear_error_and_changes_nothing(mistake):
    fleet, generator = one()
    with pytest.raises(LessonError) as caught:
        mistake(fleet)
    assert str(caught.value)
    assert isinstance(caught.value, OutOfRangeError | FleetError)
    assert (generator.fuel, generator.episodes, fleet.clock) == (generator.initial_fuel, [], 0)


def test_an_unknown_generator_is_told_who_there_is():
    with pytest.raises(FleetError, match="G-001 to G-006") as caught:
        Fleet(6)["G-007"]
    assert caught.value.generator_id == "G-007"
