"""``lab join``, ``lab leave``, ``lab reset``, and what ``lab up --share`` prints: one lab for many learners."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from helpers import lab, lessons
from helpers.board import follow
from helpers.errors import ConfigurationError
from helpers.lab import reset as resetting
from helpers.lab.connect import attach
from helpers.lab.progress import OnScreen
from helpers.lab.services.kafka import KafkaEndpoint
from helpers.lab.shared import join as joining, share as sharing
from helpers.lab.state import State
from helpers.topics import TopicError, namespace

_TO_HAND_OUT = """
Hand out this file: {file}
It contains the password, so give it to your learners only. Each of them types in the folder of the lessons:

    lab join {name} --name ana

If that fails, let TCP ports {ports} through this machine's firewall.
Programs on this machine need no password. All learners share one login, so only names keep them apart."""


def print_sharing(settings: lab.Settings, statuses: list[lab.Status], *, at_length: bool = False) -> str:
    """Print how the lab is shared, if it is. Return the problem with that, "" if there is none."""
    if settings.joined:
        click.echo(f"You use a shared lab as {settings.ns[:-1]}. `lab leave` returns to your own lab.")
    shared = State.load(settings.home).shared
    if shared is None or settings.external:
        return ""
    problem = sharing.problem(settings)
    kafka = next(each for each in statuses if each.service.name == "kafka")
    names = joining.learners(kafka.endpoint.conf) if kafka.ready and isinstance(kafka.endpoint, KafkaEndpoint) else []
    click.echo(f"Shared at {shared.address}: {problem or 'open'}. Learners: {', '.join(names) or 'none yet'}.")
    if at_length:
        file = settings.home / sharing.HANDOUT
        numbers = ", ".join(map(str, sharing.open_ports(settings)))
        click.echo(_TO_HAND_OUT.format(file=file, name=file.name, ports=numbers))
    return problem


@click.command(short_help="Use a lab that an instructor shares.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="A word of your own; it goes in front of every name you create.")
@click.option("--again", is_flag=True, help="The name is yours already, from before or from another folder.")
@click.option("--board", is_flag=True, help="Show the instructor your exercises: done or not, tries, times.")
def join(file: Path, name: str, *, again: bool, board: bool) -> None:
    """Use the shared lab of the hand-out FILE from now on, instead of one of your own.

    With --board, the instructor also sees your name, which lessons you have open and how far you are: never your code
    or your answers. Predictions are counted without names. `lab leave` undoes all this.
    """
    settings = joining.join(file, name, again=again)
    follow.agree(settings.home, settings.external["mqtt"].address.partition("//")[2] if board else "", settings.ns[:-1])
    click.echo(f"You are {settings.ns[:-1]}. All names you create begin with {settings.ns}")
    click.echo("`lab` opens the lessons. Restart the kernels of notebooks that are open. `lab leave` undoes this.")
    if any(each.process.alive() for each in State.load(settings.home).services.values()):
        click.echo("Your own lab still runs; `lab down` ends it.")


@click.command(short_help="Use your own lab again.")
def leave() -> None:
    """Release your name on the shared lab, and use your own lab again. What you created there stays."""
    problem = joining.leave()
    said = {None: "You have not joined a shared lab.", "": "You left the shared lab, and your name is free there."}
    click.echo(said.get(problem, f"You left the shared lab. Your name could not be released there: {problem}."))


@click.command(short_help="Delete what lessons made on the brokers.")
@click.option("--lesson", help="Only what this lesson made, for example 02.")
@click.option("--learner", metavar="NAME", help="What this learner created on a lab that you share.")
@click.option("--everyone", is_flag=True, help="What you and all learners created on a lab that you share.")
@click.option("--all", "everything", is_flag=True, help="On a lab of your own also what you made without a lesson.")
def reset(lesson: str | None, learner: str | None, *, everyone: bool, everything: bool) -> None:
    """Delete what lessons made: topics, groups with their offsets, subjects, retained messages, sessions, points.

    Only names that a lesson owns, in your own namespace (LAB_NAMESPACE). What you made under other names stays, unless
    you add --all.
    """
    chosen = lessons.find(lesson) if lesson else None
    settings = lab.Settings.from_environment()
    if (learner or everyone) and State.load(settings.home).shared is None:
        raise ConfigurationError("lab reset", "this lab is not shared", remedy="Leave out --learner and --everyone.")
    alone = resetting.exclusive(settings)
    if everything and (lesson or settings.ns or not alone):
        raise ConfigurationError("--all", "it is for your own lab, with no namespace or lesson", remedy="Leave it out.")
    found = attach(settings, report=OnScreen())
    try:
        names = [namespace(learner) if learner else settings.ns]
    except TopicError as error:
        raise ConfigurationError("--learner", error.cause, remedy=error.remedy) from error
    if everyone:
        names += [f"{each}-" for each in joining.learners(found.kafka)]
    what = [resetting.names(ns, chosen, alone=alone, everything=everything) for ns in names]
    deleted = sum((resetting.reset(found.status, each) for each in what), Counter[str]())
    counted = [f"{n} {kind if n > 1 else kind.removesuffix('s')}" for kind, n in sorted(deleted.items()) if n]
    click.echo(f"Deleted: {', '.join(counted)}." if counted else "There was nothing to delete.")
