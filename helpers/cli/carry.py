"""What ``lab bridge`` and ``lab proxy`` share: some options, running with one live line, and the ledger at the end."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from helpers.errors import ConfigurationError, LessonError
from helpers.lab.progress import screen

if TYPE_CHECKING:
    from rich.console import Console

    from helpers.lab.services.mqtt import MqttEndpoint
    from helpers.sink import Counts, Snapshot

_PARTITIONS = 6
_FILE = click.Path(exists=True, dir_okay=False)

Command = Callable[..., None]

# The counts that may mean losses, in words, and what helps.
_LOSSES = {
    "missing": ("missing before the bridge", "let the devices publish at QoS 1"),
    "sessions_lost": ("sessions lost", "raise --session-expiry"),
    "broker_dropped": ("dropped by the MQTT broker, for any of its clients", "give the MQTT broker a longer queue"),
    "dropped_qos0": ("dropped at QoS 0", "let the devices publish at QoS 1"),
    "truncated": ("dead letters that were cut to fit", "raise max.message.bytes of the Kafka topics, up to 1 MB"),
    "unheard": ("commands without a subscriber", "have a device subscribe to its commands, or give --retain"),
}


def add_options(*each: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return one decorator that adds several options."""
    return lambda command: reduce(lambda made, option: option(made), reversed(each), command)


foreground = add_options(
    click.option("--make-topics", is_flag=True, help=f"Make missing Kafka topics, with {_PARTITIONS} partitions."),
    click.option("--json", "as_json", is_flag=True, help="Print only the ledger, as one JSON object at the end."),
    click.option("--metrics", type=click.IntRange(0, 65_535), metavar="PORT",
                 help="Serve /metrics for Prometheus and /health on 127.0.0.1; 0 takes a free port and says which."),
    click.option("--stall-after", default=30.0, show_default=True,
                 help="After how many seconds without progress it is stalled, and not healthy."),
)  # fmt: skip
both_ways = add_options(
    foreground,
    click.option("--tls", is_flag=True, help="Reach the MQTT broker over TLS."),
    click.option("--ca-certs", type=_FILE, help="PEM file of the authorities to trust.  [default: the system's]"),
    click.option("--cert", "certfile", type=_FILE, help="PEM file with the bridge's own certificate."),
    click.option("--cert-key", "keyfile", type=_FILE, help="PEM file with its key."),
)  # fmt: skip


def mqtt_address(mqtt: MqttEndpoint, options: dict[str, Any]) -> MqttEndpoint:
    """Take the TLS options out of ``options``, and return the MQTT broker's address with them."""
    tls = options.pop("tls")
    files = {name: path for name in ("ca_certs", "certfile", "keyfile") if (path := options.pop(name))}
    return replace(mqtt, tls={**(mqtt.tls or {}), **files}) if tls or files else mqtt


def carry(  # noqa: PLR0913 - three are options
    program: str, config: Any, title: str, *, make_topics: bool, as_json: bool, metrics: int | None,  # noqa: ANN401
) -> None:  # fmt: skip
    """Run a ``program`` (bridge, proxy) in the foreground; raise ``LessonError`` if messages may be missing then."""
    from helpers.cli.metrics import Metrics
    from helpers.cli.topics import make_topics as create

    if make_topics:
        if not config.kafka_topics:
            raise ConfigurationError("--make-topics", "the topics' names depend on messages", remedy="Make them first.")
        create(config.kafka, config.kafka_topics, _PARTITIONS)
    console = screen()
    shows: list[Callable[[Snapshot], None]] = [] if as_json else [_line_on(console)]

    def show(snapshot: Snapshot) -> None:
        for each in shows:
            each(snapshot)

    with contextlib.ExitStack() as stack:
        if metrics is not None:
            server = stack.enter_context(Metrics(metrics, program))
            shows.insert(0, server.update)
            click.echo(f"{server.url}/metrics and {server.url}/health say how the {program} does.", err=True)
        click.echo(f"{title}. Ctrl-C drains and ends.", err=True)
        ledger = import_module(f"helpers.{program}").run(config, on_snapshot=show)
    if as_json:
        click.echo(json.dumps(ledger.as_dict()))
    else:
        console.print(f"\nLedger: {ledger.line()}", markup=False, soft_wrap=True)
    if lost := losses(ledger.counts, retained=getattr(config, "retain", False)):
        remedies = "; ".join(dict.fromkeys(lost.values()))
        raise LessonError(f"Messages may be missing: {', '.join(lost)}.", remedy=f"{remedies}.")


def _line_on(console: Console) -> Callable[[Snapshot], None]:
    """Return what shows a snapshot: as one live line on a terminal, as a line for each change elsewhere."""
    last: list[object] = []

    def show(snapshot: Snapshot) -> None:
        if console.is_terminal:
            console.print(snapshot.line(), end="\r", markup=False, overflow="crop", no_wrap=True)
        elif (news := [snapshot.state, snapshot.counts, snapshot.last_error, snapshot.stalled]) != last:
            last[:] = news
            console.print(snapshot.line(), markup=False, soft_wrap=True)

    return show


def losses(counts: Counts, *, retained: bool = False) -> dict[str, str]:
    """Return which messages may be missing, in words → what helps; ``retained``: commands wait for their device."""
    return {
        f"{count} {words}": remedy
        for name, (words, remedy) in _LOSSES.items()
        if (count := getattr(counts, name, 0)) and not (retained and name == "unheard")
    }
