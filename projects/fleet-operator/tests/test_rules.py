"""The rules, without a broker."""

import rules


def reading(minute, fuel, *, seq=None, running=True):
    measured = {"generatorID": "G-001", "fuel": fuel, "pressure": 380.0 * running}
    return measured | {"time": 60.0 * minute, "boot": "b", "seq": minute if seq is None else seq}


def kinds(*readings, grace=120):
    state, found = {}, []
    for each in readings:
        state, answer = rules.sort_out(state, each, grace)
        found.append(answer["is"])
    return found


def test_what_came_before_is_repeated():
    assert kinds(*(reading(each, 100) for each in (1, 2, 4, 2, 3, 3))) == [
        *["in time"] * 3,
        "repeated",
        "in time",
        "repeated",
    ]


def test_what_comes_after_its_window_and_the_grace_is_late():
    assert kinds(*(reading(each, 100) for each in (1, 2, 4, 3))) == ["in time"] * 4  # closed when 60 * 4 + 120 is seen
    assert kinds(*(reading(each, 100) for each in (1, 2, 6, 3))) == [*["in time"] * 3, "late"]


def test_a_theft_is_one_alarm():
    state, alarms = {}, []
    for minute, fuel in enumerate((500, 499, 450, 400, 350, 349, 348, 300)):
        state, alarm = rules.guard(state, reading(minute, fuel))
        alarms += [alarm["time"]] if alarm else []
    assert alarms == [120.0, 420.0]


def test_a_late_reading_is_no_theft():
    state, _ = rules.guard({}, reading(5, 400))
    assert rules.guard(state, reading(4, 450)) == (state, None)
    assert rules.guard(state, reading(6, 399))[1] is None


def test_a_window_says_how_long_the_fuel_lasts_and_whether_the_tank_leaks():
    window = rules.extend(rules.extend(None, reading(10, 90)), reading(0, 100))  # out of order
    assert rules.conclude(window) == {"fuel": 90, "hours left": 1.5, "leak": False}
    window = rules.extend(rules.extend(None, reading(0, 100, running=False)), reading(10, 95, running=False))
    assert rules.conclude(window)["leak"]
