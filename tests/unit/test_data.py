"""The files in data/: whole, consistent with each other, and each in the dictionary."""

import csv
import itertools
import json

import pytest
from jsonschema import Draft7Validator

from helpers.fleet import Fleet, known_sites
from helpers.paths import DATA

SCHEMAS = ("reading-v1", "reading-v2", "reading-v2-refused")


def rows(name):
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def schema(name):
    return json.loads((DATA / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))


def outline():
    return [(float(row["lat"]), float(row["lon"])) for row in rows("outline.csv")]


def on_the_island(lat, lon):
    """Ray casting: a point inside crosses the coast an odd number of times on its way east."""
    inside = False
    for (lat1, lon1), (lat2, lon2) in itertools.pairwise(outline()):
        if (lat1 > lat) != (lat2 > lat) and lon < (lon2 - lon1) * (lat - lat1) / (lat2 - lat1) + lon1:
            inside = not inside
    return inside


def test_the_coast_is_one_closed_ring():
    points = outline()
    assert points[0] == points[-1]
    assert len(set(points)) == len(points) - 1 > 50


def test_every_site_stands_on_the_island_also_those_a_big_fleet_adds():
    at_sea = [generator.id for generator in Fleet(200) if not on_the_island(generator.site.lat, generator.site.lon)]
    assert at_sea == []


def test_sites_have_ids_in_order_and_names_of_their_own():
    ids = [site.id for site in known_sites()]
    assert ids == [f"G-{number:03d}" for number in range(1, len(ids) + 1)]
    assert len({site.name for site in known_sites()}) == len(ids)
    assert {"hospital", "data centre", "water works"} <= {site.kind for site in known_sites()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas_closed_and_titled(name):
    Draft7Validator.check_schema(schema(name))
    assert schema(name)["title"] == "Reading"
    assert schema(name)["additionalProperties"] is False


@pytest.mark.parametrize(
    ("name", "accepted"), [("reading-v1", True), ("reading-v2", True), ("reading-v2-refused", False)]
)
def test_what_each_schema_says_to_the_readings_of_today(name, accepted):
    value = next(Fleet(1).readings()).value()
    assert Draft7Validator(schema(name)).is_valid(value) is accepted
    assert Draft7Validator(schema(name)).is_valid({**value, "load": 120.0}) is (name != "reading-v1")


@pytest.mark.parametrize(
    "change",
    [
        {"fuel": "lots"},
        {"fuel": -1},
        {"lat": 91},
        {"pressure": None},
        {"generatorID": ""},
        {"generatorID": 7},
        {"colour": "red"},
    ],
)
def test_version_1_refuses_what_is_not_a_reading(change):
    value = next(Fleet(1).readings()).value()
    assert not Draft7Validator(schema("reading-v1")).is_valid({**value, **change})


def test_version_1_requires_each_of_its_fields():
    value = next(Fleet(1).readings()).value()
    for field in value:
        assert not Draft7Validator(schema("reading-v1")).is_valid({k: v for k, v in value.items() if k != field})


def test_the_dictionary_knows_every_file_and_every_column():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    for file in DATA.rglob("*"):
        if file.is_file() and file.name != "README.md":
            assert file.name in text, f"data/README.md does not mention {file.name}"
    for table in DATA.glob("*.csv"):
        for column in rows(table.name)[0]:
            assert f"`{column}`" in text, f"data/README.md does not explain {column} of {table.name}"
