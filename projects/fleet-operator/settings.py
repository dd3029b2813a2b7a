"""Where the brokers are, and what is called what. Everything comes from the environment."""

import os

MQTT_HOST, _port = os.environ.get("MQTT", "127.0.0.1:1883").rsplit(":", 1)
MQTT_PORT = int(_port)
KAFKA = os.environ.get("KAFKA", "127.0.0.1:9092")
NS = os.environ.get("NS", "")  # in front of every name, on brokers that others use too
DEVICES = int(os.environ.get("DEVICES", "6"))
GRACE = int(os.environ.get("GRACE", "120"))  # seconds that a window waits for late readings
FILTER, COMMANDS, ANSWERED = (f"{NS}fleet/+/{word}" for word in ("readings", "commands", "answers"))
GROUP = f"{NS}operator-watch"
WORDS = ("readings", "alarms", "windows", "late", "dead", "answers")
READINGS, ALARMS, WINDOWS, LATE, DEAD, ANSWERS = (f"{NS}operator-{word}" for word in WORDS)
PARTITIONS = 4
