"""``lab prefetch``: everything that the brokers need, now rather than at the first start."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from helpers import lab
from helpers.errors import LessonError
from helpers.lab.progress import OnScreen
from helpers.lab.runtime import archive, artifacts
from helpers.lab.services.table import SERVICES


@click.command(short_help="Download the brokers now, or carry them.")
@click.option("--to", "target", type=click.Path(path_type=Path, file_okay=False), help="Copy the downloads to DIR.")
@click.option("--from", "source", type=click.Path(path_type=Path, exists=True), help="Take the downloads from DIR.")
def prefetch(target: Path | None, source: Path | None) -> None:
    """Download what the brokers need now, so that nothing is needed later, and prepare quick starts.

    With --to, also copy the downloads to a folder (a memory stick); with --from, take them from there, with no network
    at all.
    """
    if target and source:
        raise click.UsageError("--to and --from contradict each other.")
    cache = lab.Settings.from_environment().cache
    everything = artifacts.listed()

    def lacking(folder: Path) -> int:
        return sum(each.size for each in artifacts.missing(everything, folder))

    if source:
        with OnScreen().bar("Copying", total=lacking(cache)) as advance:
            artifacts.copy(everything, source, cache, advance=advance)
    elif size := lacking(cache):
        with OnScreen().bar("Downloading", total=size) as advance:
            artifacts.fetch(everything, cache, advance=advance)
    if target:
        with OnScreen().bar(f"Copying to {target}", total=lacking(target)) as advance:
            artifacts.copy(everything, cache, target, advance=advance)
    else:
        _prepare(cache)
    click.echo(f"Everything is in {target or cache}.")


def _prepare(cache: Path) -> None:
    """Start each embedded broker once, so that its later starts take half the time."""
    click.echo("Preparing quick starts: each broker is started once …")
    for service in SERVICES.values():
        try:
            if service.embedded:
                with lab.scratch(service.name, provider=service.embedded.name) as broker:
                    archive.make(broker.pid, cache)
        except (LessonError, OSError, subprocess.SubprocessError) as error:  # the downloads are here all the same
            click.echo(f"{service.title} will start more slowly: {error}")
