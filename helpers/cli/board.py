"""``lab progress`` for one learner, and ``lab board`` for the person in front of the room."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click
import paho.mqtt.client as paho

from helpers import lab
from helpers.board import follow, page, practice, record
from helpers.errors import ConfigurationError
from helpers.lab.connect import attach
from helpers.lab.progress import OnScreen
from helpers.lab.runtime import ports
from helpers.lab.services import base, mqtt
from helpers.lessons import BOARD, PATHS


@click.command(short_help="Show what you have done, and what is next.")
@click.option("--path", "reader", type=click.Choice([*PATHS]), help="Only the lessons for such a reader.")
@click.option("--report", is_flag=True, help="Print a record of practice, in Markdown.")
@click.option("--export", type=click.Path(path_type=Path), metavar="FILE", help="Write FILE for `lab board FILE`.")
def progress(reader: str | None, export: Path | None, *, report: bool) -> None:
    """Show which exercises you have done, your next lesson, and a question about each lesson of a week ago.

    It is noted on this computer only, whenever a check runs.
    """
    entries = record.load(lab.Settings.from_environment().home)
    if export:
        record.write(export, entries)
        return click.echo(f"{export} holds your progress. On the board you are {export.stem}.")
    return click.echo("\n".join(practice.report(entries) if report else practice.overview(entries, reader)))


@click.command(short_help="Show how a room is doing, on a page.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--port", default=8890, show_default=True, help="The page's port; the next free one if it is taken.")
@click.option("--forget", is_flag=True, help="Delete the entries from the broker: a learner's own, or on your lab all.")
def board(files: tuple[Path, ...], port: int, *, forget: bool) -> None:
    """Serve a page on this machine: who asks for a hand, who is stuck, who has done what. Ctrl-C ends it.

    It shows learners who used `lab join --board`, or those in the FILES that `lab progress --export` wrote.
    """
    settings = lab.Settings.from_environment()
    if alike := sorted({file.stem for file in files if [each.stem for each in files].count(file.stem) > 1}):
        raise ConfigurationError("FILES", f"several named {', '.join(alike)}", remedy="Name each after its learner.")
    if files and forget:
        raise ConfigurationError("--forget", "it deletes from the broker, not FILES", remedy="Leave out one of them.")
    topics = {f"{BOARD}/files/{each.stem}/{key}": entry for each in files for key, entry in record.read(each).items()}
    if files:
        return _serve(topics, port)
    broker = attach(settings, report=OnScreen(), only=["mqtt"]).mqtt
    if forget:
        own = [settings.ns[:-1], *follow.agreed(settings.home)[2:]] if settings.joined else ["+"]
        follow.agree(settings.home, "", "")
        names = base.Names(owned=lambda _topic: True, filters=[f"{BOARD}/+/{each}/#" for each in own], sessions=[])
        return click.echo(f"Entries deleted: {mqtt.MQTT.reset(broker, names)['retained messages']}.")

    def on_message(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        topics.pop(message.topic, None)
        if found := record.entry(message.payload):
            topics[message.topic] = found

    client = mqtt.client(broker, subscribe=[(f"{BOARD}/#", 1)])
    client.on_message = on_message
    with mqtt.connected(client, broker):
        return _serve(topics, port)


def _serve(topics: Mapping[str, record.Entry], port: int) -> None:
    with page.server(topics, ports.LOOPBACK, ports.next_free(port, but=set())) as running, suppress(KeyboardInterrupt):
        address = f"http://{ports.LOOPBACK}:{running.server_port}/"
        click.echo(f"The board: {address}   For a projector, counts only: {address}room   Ctrl-C ends it.")
        running.serve_forever()
