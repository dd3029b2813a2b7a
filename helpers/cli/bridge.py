"""``lab bridge``: the bridge on the command line, both ways, with one live line and a ledger at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from helpers import lab
from helpers.cli.carry import both_ways, carry, mqtt_address

if TYPE_CHECKING:
    from helpers.bridge import BridgeConfig


@click.group(invoke_without_command=True, short_help="Carry MQTT messages into Kafka, losing none.")
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
@click.option(
    "--expect-session",
    is_flag=True,
    help="The MQTT broker must have this client's session at the start already; else messages may be missing.",
)
@click.option(
    "--session-expiry",
    default=86_400,
    show_default=True,
    help="For how many seconds the MQTT broker keeps messages while the bridge is away.",
)
@click.option(
    "--receive-maximum", default=10_000, show_default=True, help="Messages under way at most, before Kafka has them."
)
@click.option("--unsubscribe", multiple=True, help="Topic filter of an earlier run, which ends. May be repeated.")
@both_ways
@click.pass_context
def bridge(context: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Carry MQTT messages into Kafka, at least once, until Ctrl-C or SIGTERM.

    A message is acknowledged to the MQTT broker only when Kafka has stored it. The last line is the ledger. Exits with
    1 if messages may be missing, and says which. `lab bridge back` carries commands from Kafka to MQTT.
    """
    if context.invoked_subcommand is None:
        _forward(**options)
    elif given := [
        each.opts[0]
        for each in context.command.params
        if context.get_parameter_source(each.name or "") is ParameterSource.COMMANDLINE
    ]:
        raise click.UsageError(f"{', '.join(given)} must come after {context.invoked_subcommand!r}, if it has that.")


def _forward(*, topic: str, pattern: str, dead_letter: str | None, **options: Any) -> None:  # noqa: ANN401
    here = lab.connect()
    if dead_letter is None and options["poison"] == "dead-letter":
        dead_letter = f"{topic}-dead"
    run_options = {name: options.pop(name) for name in ("make_topics", "as_json")}
    config = _config(here, f"{here.ns}{topic}", pattern, f"{here.ns}{dead_letter}" if dead_letter else None, options)
    carry(config, ", ".join(config.filters), ", ".join(config.kafka_topics), **run_options)


@bridge.command(short_help="Carry commands from Kafka to MQTT.")
@click.option("--from", "topic", default="generators-commands", show_default=True, help="Kafka topic.")
@click.option(
    "--to",
    "pattern",
    default="generators/{device}/commands",
    show_default=True,
    help="MQTT topic; the level with a name in braces becomes the record's key.",
)
@click.option("--key", default="{device}", show_default=True, help="That level's name.")
@click.option("--client-id", default="generators-bridge-back", show_default=True, help="At the MQTT broker.")
@click.option(
    "--group",
    "group_id",
    default="generators-bridge-back",
    show_default=True,
    help="Consumer group. Keep it: Kafka remembers by it which commands were delivered.",
)
@click.option(
    "--group-instance-id",
    help="Only for a bridge that is always started again: its partitions then wait for it for six seconds.",
)
@click.option(
    "--expiry",
    default=60.0,
    show_default=True,
    help="For how many seconds a command is worth sending, from its record's timestamp; 0: for ever.",
)
@click.option("--retain", is_flag=True, help="The MQTT broker keeps each device's last command for when it wakes.")
@click.option(
    "--retries",
    default=1,
    show_default=True,
    help="How often a command is sent again, alone, after the MQTT broker ended the connection on it.",
)
@click.option(
    "--dead-letter",
    default=None,
    help="Kafka topic for records that cannot be sent as commands.  [default: the --from topic with -dead]",
)
@both_ways
def back(  # noqa: PLR0913 - each is an option
    *, topic: str, pattern: str, key: str, group_instance_id: str | None, expiry: float, dead_letter: str | None,
    make_topics: bool, as_json: bool, **options: Any,  # noqa: ANN401
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
    carry(config, config.route.topic, config.route.pattern, make_topics=make_topics, as_json=as_json)


def _config(here: lab.Here, topic: str, pattern: str, dead_letter: str | None, options: dict[str, Any]) -> BridgeConfig:
    from helpers.bridge import BridgeConfig
    from helpers.topics import Template, split_share

    def full(topic_filter: str) -> str:
        share, plain = split_share(topic_filter)
        return f"$share/{here.ns}{share}/{here.ns}{plain}" if share else f"{here.ns}{plain}"

    share, plain = split_share(full(pattern))
    template = Template(plain, topic=topic, key=options.pop("key") or None)
    return BridgeConfig(
        mqtt=mqtt_address(here.mqtt, options),
        kafka=here.kafka,
        registry=here.registry if options["serializer"] == "schema" else None,
        routes=(template,),
        share=share,
        unsubscribe=tuple(full(each) for each in options.pop("unsubscribe")),
        client_id=f"{here.ns}{options.pop('client_id')}",
        dead_letter_topic=dead_letter,
        **options,
    )
