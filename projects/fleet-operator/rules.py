"""What the operator asks, as functions (state, reading) -> (state, answer). They know no broker and no engine."""

WINDOW = 60  # seconds
PUMPED = 20  # litres a minute: a thief's pump takes twice as many


def sort_out(state, reading, grace):
    """Is a reading repeated, late (its window is closed), or in time?"""
    seen, boot, seq = state.get("seen", {}), reading["boot"], reading["seq"]
    last, missing = seen.get(boot, [seq - 1, []])
    if seq <= last and seq not in missing:
        return state, reading | {"is": "repeated"}
    # The newest thousand of those that are missing.
    missing = [each for each in [*missing, *range(max(last + 1, seq - 1000), seq)] if each != seq][-1000:]
    newest = max(reading["time"], state.get("newest", 0))
    late = reading["time"] // WINDOW * WINDOW + WINDOW + grace <= newest
    seen = dict([*seen.items(), (boot, [max(seq, last), missing])][-10:])  # the last boots will do
    return {"seen": seen, "newest": newest}, reading | {"is": "late" if late else "in time"}


def guard(state, reading):
    """Raise an alarm when fuel begins to fall as fast as a pump takes it: once for each theft."""
    before = state or {"time": reading["time"] - 1, "fuel": reading["fuel"], "robbed": False}
    minutes, litres = (reading["time"] - before["time"]) / 60, before["fuel"] - reading["fuel"]
    if minutes <= 0:
        return state, None  # older than what we know
    robbed = litres > PUMPED * minutes
    alarm = {"generatorID": reading["generatorID"], "time": reading["time"], "litres": round(litres, 1)}
    state = {"time": reading["time"], "fuel": reading["fuel"], "robbed": robbed}
    return state, alarm if robbed > before["robbed"] else None


def extend(window, reading):
    """Add a reading to a window; None is a window without readings."""
    level = [reading["time"], reading["fuel"]]
    window = window or {"first": level, "last": level, "ran": False}
    first, last = min(window["first"], level), max(window["last"], level)
    return {"first": first, "last": last, "ran": window["ran"] or reading["pressure"] > 0}


def conclude(window):
    """How long the fuel lasts, and whether the tank leaks."""
    (began, full), (ended, left) = window["first"], window["last"]
    hourly = (full - left) * 3600 / max(ended - began, 1)
    leak = not window["ran"] and 10 < hourly < 200
    return {"fuel": left, "hours left": round(left / hourly, 1) if hourly > 0 else None, "leak": leak}
