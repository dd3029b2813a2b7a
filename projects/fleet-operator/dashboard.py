"""The newest window and the last alarm of each generator, in a terminal, a line for each."""

import json
import time

from confluent_kafka import Consumer

import settings


def lines(state):
    """The dashboard as text, one line for each generator."""
    for who, (window, alarm) in sorted(state.items()):
        hours = f"{window['hours left']:>7} h left" if window.get("hours left") else "    not burning"
        robbed = f"   ROBBED at {time.strftime('%H:%M:%S', time.gmtime(alarm['time']))} UTC" if alarm else ""
        yield f"{who}  {window.get('fuel', 0):>8.1f} l {hours}{'   LEAKS' if window.get('leak') else ''}{robbed}"


def main():
    options = {
        "group.id": f"{settings.NS}operator-dashboard",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    state = {}
    with Consumer({"bootstrap.servers": settings.KAFKA, **options}) as consumer:
        consumer.subscribe([settings.WINDOWS, settings.ALARMS])
        while True:
            for record in consumer.consume(500, timeout=1):
                if not record.error():
                    window, alarm = state.get(who := record.key().decode(), ({}, None))
                    value = json.loads(record.value())
                    state[who] = (window, value) if record.topic() == settings.ALARMS else (value, alarm)
            print("\033[2J\033[H" + "\n".join(lines(state)), flush=True)


if __name__ == "__main__":
    main()
