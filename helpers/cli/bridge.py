"""``lab bridge``: the bridge on the command line, both ways, with one live line and a ledger at the end."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from helpers import lab
from helpers.cli.carry import add_options, both_ways, carry, mqtt_address

kafka_side = add_options(
    click.option("--from", "pattern", default="generators/{device}/readings", show_default=True,
                 help="MQTT topic filter; levels may have names in braces. $share/GROUP/… shares the work."),
    click.option("--to", "topic", default="generators-readings", show_default=True,
                 help="Kafka topic; may use the names."),
    click.option("--key", default="{device}", show_default=True, help="The record's key, from the names."),
    click.option("--serializer", type=click.Choice(["raw", "json", "schema"]), default="raw", show_default=True,
                 help="Take any bytes; only JSON; or only what the registry's schema allows, framed with its id."),
    click.option("--dead-letter",
                 help="Kafka topic for messages that can never be produced; with an empty name they stop the bridge.  "
                 "[default: the --to topic with -dead]"),
    click.option("--headers", type=click.Choice(["topic", "all"]), default="topic", show_default=True,
                 help="Record headers: MQTT topic and user properties, or also QoS, retain, DUP and receive time."),
)  # fmt: skip
_session = add_options(
    click.option("--client-id", default="generators-bridge", show_default=True,
                 help="Keep it: the MQTT broker keeps this client's messages while the bridge is away."),
    click.option("--retained", type=click.Choice(["new", "never"]), default="new", show_default=True,
                 help="Take retained messages when the subscription is new, or never."),
    click.option("--sequence", default=None,
                 help="User property that counts a device's messages (in the lessons: seq): shows earlier losses."),
    click.option("--expect-session", is_flag=True,
                 help="The MQTT broker must have the session at the start already; else messages may be missing."),
    click.option("--session-expiry", default=86_400, show_default=True,
                 help="For how many seconds the MQTT broker keeps messages while the bridge is away."),
    click.option("--receive-maximum", default=10_000, show_default=True,
                 help="Messages under way at most, before Kafka has them."),
    click.option("--unsubscribe", multiple=True, help="Topic filter of an earlier run, which ends. May be repeated."),
)  # fmt: skip
_commands = add_options(
    click.option("--from", "topic", default="generators-commands", show_default=True, help="Kafka topic."),
    click.option("--to", "pattern", default="generators/{device}/commands", show_default=True,
                 help="MQTT topic; the level with a name in braces becomes the record's key."),
    click.option("--key", default="{device}", show_default=True, help="That level's name."),
    click.option("--client-id", default="generators-bridge-back", show_default=True, help="At the MQTT broker."),
    click.option("--group", "group_id", default="generators-bridge-back", show_default=True,
                 help="Consumer group. Keep it: Kafka remembers by it which commands were delivered."),
    click.option("--group-instance-id",
                 help="Only for a bridge that is always started again: its partitions wait for it for six seconds."),
    click.option("--expiry", default=60.0, show_default=True,
                 help="For how many seconds a command is worth sending, from its record's timestamp; 0: for ever."),
    click.option("--retain", is_flag=True, help="The MQTT broker keeps each device's last command for when it wakes."),
    click.option("--retries", default=1, show_default=True,
                 help="How often a command is sent again, alone, after the MQTT broker ended the connection on it."),
    click.option("--dead-letter", default=None,
                 help="Kafka topic for records that cannot be sent.  [default: the --from topic with -dead]"),
)  # fmt: skip


@click.group(invoke_without_command=True, short_help="Carry MQTT messages into Kafka, losing none.")
@kafka_side
@_session
@both_ways
@click.pass_context
def bridge(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Carry MQTT messages into Kafka, at least once, until Ctrl-C or SIGTERM.

    A message is acknowledged to the MQTT broker only when Kafka has stored it. The last line is the ledger. Exits with
    1 if messages may be missing, and says which. `lab bridge back` carries commands from Kafka to MQTT, and
    `lab bridge replay` sends dead letters again.
    """
    if context.invoked_subcommand is None:
        _forward(**options)
    elif given := [
        each.opts[0]
        for each in context.command.params
        if context.get_parameter_source(each.name or "") is ParameterSource.COMMANDLINE
    ]:
        raise click.UsageError(f"{', '.join(given)} must come after {context.invoked_subcommand!r}, if it has that.")


def _forward(**options: Any) -> None:  # noqa: ANN401
    from helpers.bridge import BridgeConfig
    from helpers.topics import split_share

    here = lab.connect()
    running = {name: options.pop(name) for name in ("make_topics", "as_json", "metrics")}
    share, _ = split_share(options["pattern"])
    config = BridgeConfig(
        mqtt=mqtt_address(here.mqtt, options),
        share=f"{here.ns}{share}" if share else None,
        unsubscribe=tuple(_in_namespace(here.ns, each) for each in options.pop("unsubscribe")),
        client_id=f"{here.ns}{options.pop('client_id')}",
        **sink_settings(here, options),
        **options,
    )
    carry("bridge", config, f"{', '.join(config.filters)} → {', '.join(config.kafka_topics)}", **running)


@bridge.command(short_help="Send dead letters again.")
@kafka_side
@click.option("--group", default="generators-replay", show_default=True,
              help="Consumer group. Keep it: Kafka remembers by it how far the last replay came.")  # fmt: skip
def replay(group: str, **options: Any) -> None:  # noqa: ANN401
    """Send the dead letters of `lab bridge` again, with its options; end when all that there are now were looked at.

    What passes now goes where it belongs, with the time of the replay unless the device's own is still credible. What
    does not becomes a dead letter again, with the present reason. A replay that is stopped loses nothing: the next one
    goes on from the last offset that was committed, and may send some twice.
    """
    from helpers.bridge.replay import replay as send_again
    from helpers.sink import SinkConfig

    here = lab.connect()
    config = SinkConfig(**sink_settings(here, options))
    counts = send_again(config, f"{here.ns}{group}", lambda why: click.echo(f"Waiting: {why}", err=True))
    click.echo(
        f"{counts.received} dead letters: {counts.produced} sent again, {counts.dead_lettered} are dead letters again, "
        f"{counts.received - counts.produced - counts.dead_lettered} left alone: cut to fit, or of another kind."
    )


@bridge.command(short_help="Carry commands from Kafka to MQTT.")
@_commands
@both_ways
def back(  # noqa: PLR0913 - each is an option
    *, topic: str, pattern: str, key: str, group_instance_id: str | None, expiry: float, dead_letter: str | None,
    make_topics: bool, as_json: bool, metrics: int | None, **options: Any,  # noqa: ANN401
) -> None:  # fmt: skip
    """Carry commands from a Kafka topic to MQTT, at least once, until Ctrl-C or SIGTERM.

    An offset is committed only when the MQTT broker has acknowledged the command. The last line is the ledger. Exits
    with 1 if commands may be missing: one was cut to fit as a dead letter, or no device was subscribed to its topic.
    """
    from helpers.bridge import CommandsConfig
    from helpers.topics import TopicMapping

    here = lab.connect()
    ns = here.ns
    config = CommandsConfig(
        mqtt=mqtt_address(here.mqtt, options),
        kafka={**here.kafka, **({"group.instance.id": f"{ns}{group_instance_id}"} if group_instance_id else {})},
        route=TopicMapping(f"{ns}{pattern}", topic=f"{ns}{topic}", key=key),
        client_id=f"{ns}{options.pop('client_id')}",
        group_id=f"{ns}{options.pop('group_id')}",
        dead_letter_topic=f"{ns}{dead_letter or f'{topic}-dead'}",
        expiry=expiry or None,
        **options,
    )
    title = f"{config.route.topic} → {config.route.pattern}"
    carry("bridge", config, title, make_topics=make_topics, as_json=as_json, metrics=metrics)


def sink_settings(here: lab.Here, options: dict[str, Any]) -> dict[str, Any]:
    """Take what concerns Kafka out of ``options``, and return it as ``SinkConfig`` wants it."""
    from helpers.topics import TopicMapping, split_share

    topic, dead, serializer = options.pop("topic"), options.pop("dead_letter"), options.pop("serializer")
    dead = f"{topic}-dead" if dead is None else dead
    _, pattern = split_share(_in_namespace(here.ns, options.pop("pattern")))
    return {
        "kafka": here.kafka,
        "registry": here.registry if serializer == "schema" else None,
        "routes": (TopicMapping(pattern, topic=f"{here.ns}{topic}", key=options.pop("key") or None),),
        "dead_letter_topic": f"{here.ns}{dead}" if dead else None,
        "serializer": serializer,
        "headers": options.pop("headers"),
    }


def _in_namespace(ns: str, topic_filter: str) -> str:
    from helpers.topics import split_share

    share, plain = split_share(topic_filter)
    return f"$share/{ns}{share}/{ns}{plain}" if share else f"{ns}{plain}"
