"""``lab join``, ``lab leave``, ``lab reset``, and what ``lab up --share`` says: the lab of a whole room."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from helpers import lab, lessons
from helpers.errors import ConfigurationError
from helpers.lab.connect import attach, reset_names
from helpers.lab.progress import OnScreen
from helpers.lab.services.endpoints import KafkaEndpoint
from helpers.lab.shared import join as joining
from helpers.lab.shared import share as sharing
from helpers.lab.state import State
from helpers.topics import TopicError, namespace

_TO_HAND_OUT = """
Hand out this file: {file}
It holds the password, so give it to your learners only. With it, each of them types in the folder of the lessons:

    lab join {name} --name ana

If that does not reach you: this machine's firewall must let TCP ports {ports} through.
On this machine, programs need no password. All learners share one login, so only names keep them apart."""


def print_sharing(settings: lab.Settings, statuses: list[lab.Status], *, at_length: bool = False) -> str:
    """Say how the lab is shared, if it is. Return what is wrong with that, "" if nothing."""
    if settings.joined:
        click.echo(f"This is a shared lab, and you are {settings.ns[:-1]}. `lab leave` goes back to a lab of your own.")
    shared = State.load(settings.home).shared
    if shared is None or settings.given:
        return ""
    trouble = sharing.trouble(settings)
    kafka = next(each for each in statuses if each.service.name == "kafka")
    names = joining.learners(kafka.endpoint.conf) if kafka.ready and isinstance(kafka.endpoint, KafkaEndpoint) else []
    click.echo(f"Shared at {shared.address}: {trouble or 'open'}. Learners: {', '.join(names) or 'none yet'}.")
    if at_length:
        file = settings.home / sharing.HANDOUT
        numbers = ", ".join(map(str, sharing.open_ports(settings)))
        click.echo(_TO_HAND_OUT.format(file=file, name=file.name, ports=numbers))
    return trouble


@click.command(short_help="Use a lab that an instructor shares.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="A word of your own; it goes in front of every name you make.")
@click.option("--again", is_flag=True, help="The name is yours already, from another folder or from before.")
def join(file: Path, name: str, *, again: bool) -> None:
    """Use the shared lab of the hand-out FILE from now on, instead of one of your own.

    `lab leave` undoes it.
    """
    settings = joining.join(file, name, again=again)
    click.echo(f"You are {settings.ns[:-1]}. All names you make begin with {settings.ns}")
    click.echo(
        "`lab` opens the lessons. Notebooks that are open already: restart their kernels. `lab leave` undoes it."
    )
    if any(each.process.alive() for each in State.load(settings.home).services.values()):
        click.echo("Your own lab still runs; `lab down` ends it.")


@click.command(short_help="Use your own lab again.")
def leave() -> None:
    """Give your name on the shared lab back, and use your own lab again. What you made there stays there."""
    trouble = joining.leave()
    if trouble is None:
        click.echo("You have not joined a shared lab.")
    elif trouble:
        click.echo(f"You left the shared lab. Your name is still taken there: {trouble}.")
    else:
        click.echo("You left the shared lab, and your name is free there.")


@click.command(short_help="Delete what lessons made on the brokers.")
@click.option("--lesson", help="Only what this lesson made, for example 02.")
@click.option("--learner", metavar="NAME", help="What this learner made on a lab that you share.")
@click.option("--everyone", is_flag=True, help="What you and all learners made on a lab that you share.")
def reset(lesson: str | None, learner: str | None, *, everyone: bool) -> None:
    """Delete what lessons made: topics, groups with their offsets, subjects, retained messages, sessions, points.

    Only in your own namespace (LAB_NAMESPACE); on brokers that others use too, only names that a lesson owns.
    """
    chosen = lessons.find(lesson) if lesson else None
    settings = lab.Settings.from_environment()
    if (learner or everyone) and State.load(settings.home).shared is None:
        raise ConfigurationError("lab reset", "this lab is not shared", remedy="Leave out --learner and --everyone.")
    found = attach(settings, report=OnScreen())
    names = [settings.ns]
    try:
        names = [namespace(learner)] if learner else names
    except TopicError as error:
        raise ConfigurationError("--learner", error.cause, remedy=error.remedy) from error
    if everyone:
        names += [f"{each}-" for each in joining.learners(found.kafka)]
    deleted: Counter[str] = Counter()
    for ns in names:
        deleted += reset_names(replace(settings, ns=ns), replace(found, ns=ns), lesson=chosen)
    counted = [f"{n} {kind if n > 1 else kind.removesuffix('s')}" for kind, n in sorted(deleted.items()) if n]
    click.echo(f"Deleted: {', '.join(counted)}." if counted else "There was nothing to delete.")
