"""``lab bridge``: the bridge on the command line, with one live line and a ledger at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from helpers import lab
from helpers.errors import ConfigurationError, LessonError
from helpers.lab.progress import screen

if TYPE_CHECKING:
    from helpers.bridge import BridgeConfig, Snapshot

_PARTITIONS = 6


@click.command(short_help="Carry MQTT messages into Kafka, losing none.")
@click.option(
    "--from",
    "pattern",
    default="generators/{device}/readings",
    show_default=True,
    help="MQTT topic filter; levels may have names in braces. $share/GROUP/… shares the work.",
)
@click.option("--to", "topic", default="generators-readings", show_default=True, help="Kafka topic; may use the names.")
@click.option("--key", default="{device}", show_default=True, help="The record's key, from the names.")
@click.option(
    "--client-id",
    default="generators-bridge",
    show_default=True,
    help="Keep it: the MQTT broker keeps this client's messages while the bridge is away.",
)
@click.option(
    "--serializer",
    type=click.Choice(["raw", "json", "schema"]),
    default="raw",
    show_default=True,
    help="Take any bytes; only JSON; or only what the registry's schema allows, framed with its id.",
)
@click.option(
    "--dead-letter",
    "dead_letter",
    default=None,
    help="Kafka topic for messages that can never be produced.  [default: the --to topic with -dead]",
)
@click.option(
    "--poison",
    type=click.Choice(["dead-letter", "stop"]),
    default="dead-letter",
    show_default=True,
    help="What to do with such a message.",
)
@click.option(
    "--headers",
    type=click.Choice(["topic", "all"]),
    default="topic",
    show_default=True,
    help="Record headers: the MQTT topic and user properties, or also QoS, retain, DUP and receive time.",
)
@click.option(
    "--retained",
    type=click.Choice(["new", "never"]),
    default="new",
    show_default=True,
    help="Take retained messages when the subscription is new, or never.",
)
@click.option(
    "--sequence",
    default=None,
    help="User property that counts a device's messages (seq in these lessons): tells what was lost before.",
)
@click.option("--make-topics", is_flag=True, help=f"Make missing Kafka topics, with {_PARTITIONS} partitions.")
def bridge(pattern: str, topic: str, *, dead_letter: str | None, make_topics: bool, **options: Any) -> None:  # noqa: ANN401
    """Carry MQTT messages into Kafka, at least once, until Ctrl-C or SIGTERM.

    A message is acknowledged to the MQTT broker only when Kafka has stored it. The last line is the ledger. Exits with
    1 if messages may be missing, and says which.
    """  # fmt: skip
    from helpers.bridge import run
    from helpers.sink.cluster import make_topics as create

    here = lab.connect()
    ns = here.ns
    if dead_letter is None and options["poison"] == "dead-letter":
        dead_letter = f"{topic}-dead"
    config = _config(here, f"{ns}{topic}", pattern, f"{ns}{dead_letter}" if dead_letter else None, options)
    if make_topics:
        if not config.kafka_topics:
            raise ConfigurationError("--make-topics", "the topics' names depend on messages", remedy="Make them first.")
        create(config.kafka, config.kafka_topics, _PARTITIONS)
    click.echo(f"{', '.join(config.filters)} → {', '.join(config.kafka_topics)}. Ctrl-C drains and ends.", err=True)
    console = screen()
    last: list[object] = []

    def on_snapshot(snapshot: Snapshot) -> None:
        if console.is_terminal:
            console.print(snapshot.line(), end="\r", markup=False, overflow="crop", no_wrap=True)
        elif (news := [snapshot.state, snapshot.counts.received, snapshot.last_error]) != last:
            last[:] = news
            console.print(snapshot.line(), markup=False, soft_wrap=True)

    ledger = run(config, on_snapshot=on_snapshot)
    console.print(f"\nLedger: {ledger.line()}", markup=False, soft_wrap=True)
    lost = {"missing before the bridge": ledger.counts.missing, "sessions lost": ledger.counts.sessions_lost}
    if any(lost.values()):
        raise LessonError(
            "Messages may be missing: " + ", ".join(f"{count} {what}" for what, count in lost.items() if count) + ".",
            remedy="A longer session expiry, a larger queue at the MQTT broker, or QoS 1 at the devices keep them.",
        )


def _config(here: lab.Here, topic: str, pattern: str, dead_letter: str | None, options: dict[str, Any]) -> BridgeConfig:
    from helpers.bridge import BridgeConfig
    from helpers.topics import Template, split_share

    share, plain = split_share(pattern)
    template = Template(f"{here.ns}{plain}", topic=topic, key=options.pop("key") or None)
    return BridgeConfig(
        mqtt=here.mqtt,
        kafka=here.kafka,
        registry=here.registry if options["serializer"] == "schema" else None,
        routes=(template,),
        share=f"{here.ns}{share}" if share else None,
        client_id=f"{here.ns}{options.pop('client_id')}",
        dead_letter_topic=dead_letter,
        **options,
    )
