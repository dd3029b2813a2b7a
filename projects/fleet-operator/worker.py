"""Watch the fleet: `python worker.py NUMBER`. One worker of several; the number stays at a restart."""

import sys
from functools import partial
from pathlib import Path

from quixstreams import Application

import rules
import settings
from topics import make_topics


def keep(name, rule):
    """A step that keeps the state of a function (state, reading) -> (state, answer), one for each key."""

    def step(reading, store):
        state, answer = rule(store.get(name) or {}, reading)
        store.set(name, state)
        return answer

    return step


def with_name(value, _key, timestamp, headers):
    beside = {name: text.decode() for name, text in headers}
    return value | {"boot": beside["boot"], "seq": int(beside["seq"]), "time": timestamp / 1000}


def build(number, **changes):
    """The worker with this number. No two that live may share it: see transactional.id."""
    name = f"{settings.GROUP}-{number}"
    options = {
        "consumer_group": settings.GROUP,
        "auto_offset_reset": "earliest",
        "processing_guarantee": "exactly-once",
        "commit_interval": 1,
        "consumer_extra_config": {"group.instance.id": name, "session.timeout.ms": 6000},
        "producer_extra_config": {"transactional.id": name, "transaction.timeout.ms": 30_000},
        "state_dir": Path("state") / name,
        "loglevel": "WARNING",
    }
    app = Application(settings.KAFKA, **options | changes)
    stream = app.dataframe(app.topic(settings.READINGS)).apply(with_name, metadata=True)
    stream = stream.apply(keep("seen", partial(rules.sort_out, grace=settings.GRACE)), stateful=True)
    stream[stream["is"] == "late"].to_topic(app.topic(settings.LATE))
    stream = stream[stream["is"] == "in time"]
    stream.apply(keep("guard", rules.guard), stateful=True).filter(bool).to_topic(app.topic(settings.ALARMS))
    tumbling = stream.tumbling_window(rules.WINDOW * 1000, grace_ms=settings.GRACE * 1000)
    done = tumbling.reduce(rules.extend, partial(rules.extend, None)).final()
    done.apply(lambda each: rules.conclude(each["value"])).to_topic(app.topic(settings.WINDOWS))
    return app


if __name__ == "__main__":
    make_topics()
    build(int(sys.argv[1]) if len(sys.argv) > 1 else 1).run()
