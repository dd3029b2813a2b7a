"""The ``lab`` command: parses, prints, exits. Plain functions elsewhere do the work.

Exit codes: 0 success; 1 failure, with a message; 2 wrong usage or contradictory settings; 3 (``lab status``) a service
does not run; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import webbrowser
from typing import Any

import click
from rich.progress import Progress
from rich.table import Table

from helpers import lab, lessons
from helpers.cli import notebooks as jupyter, share as cli_share
from helpers.cli.board import board, progress
from helpers.cli.bridge import bridge
from helpers.cli.prefetch import prefetch
from helpers.cli.proxy import proxy
from helpers.errors import ConfigurationError, LessonError
from helpers.lab import doctor
from helpers.lab.connect import attach, provided_by
from helpers.lab.progress import OnScreen, screen
from helpers.lab.runtime import processes
from helpers.lab.services import mqtt
from helpers.lab.services.table import SERVICES

_FAILED, _USAGE, _NOT_RUNNING, _INTERRUPTED = 1, 2, 3, 130
_LOG_LINES, _FOLLOW_EVERY = 40, 0.2


def main() -> None:
    """Run the ``lab`` command, turning every known error into a message and an exit code."""
    # An orderly stop from outside (systemd, docker) ends like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        command(standalone_mode=False)
    except LessonError as error:
        click.secho(f"✗ {error}", err=True, fg="red")
        sys.exit(_USAGE if isinstance(error, ConfigurationError) else _FAILED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nStopped. Services that the lab started keep running; `lab down` ends them.", err=True)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # `lab logs kafka | head`
        sys.stderr.close()


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mqtt-and-kafka-lessons", prog_name="lab")
@click.pass_context
def command(context: click.Context) -> None:
    """Real MQTT and Kafka brokers on this machine, and the lessons that use them.

    Without a command, `lab` starts everything and opens the first lesson.
    """
    if context.invoked_subcommand is None:
        context.invoke(start)


for each in (board, bridge, prefetch, progress, proxy, cli_share.join, cli_share.leave, cli_share.reset):
    command.add_command(each)


@command.command(short_help="Start the brokers and open JupyterLab.")
@click.option("--lesson", default="00", show_default=True, help="The lesson to open.")
@click.option("--port", default=8888, show_default=True, help="JupyterLab's port; the next free one if it is taken.")
@click.option("--browser/--no-browser", default=None, help="Open a browser. By default where there is a display.")
def start(lesson: str, port: int, *, browser: bool | None) -> None:
    """Start the brokers, check them, and open JupyterLab.

    Ctrl-C ends JupyterLab. The brokers keep running, so the next start is quick; `lab down` ends them.
    """
    settings = lab.Settings.from_environment()
    first = lessons.find(lesson)
    lab.up(settings, report=OnScreen())
    report = doctor.preflight()
    click.echo(report)
    if not report.passed:
        raise LessonError("A test failed, so JupyterLab was not opened.", remedy="Follow each → and try again.")
    with jupyter.jupyterlab(settings, first, port=port) as running:
        click.echo(f"\nJupyterLab is ready. Open this address in a browser:\n\n    {running.address}\n")
        click.echo("Ctrl-C ends JupyterLab and leaves the brokers running.")
        display = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if display if browser is None else browser:
            webbrowser.open(running.address)
        with contextlib.suppress(KeyboardInterrupt):
            running.process.wait()
    click.echo("\nJupyterLab has ended. The brokers still run: `lab` opens the lessons again, `lab down` ends them.")


@command.command(short_help="Run lessons without a browser.")
@click.argument("numbers", nargs=-1, metavar="[LESSON]...")
def run(numbers: tuple[str, ...]) -> None:
    """Run lessons from top to bottom without a browser: `lab run 00 01`, or all of them.

    Exits with 0 if every lesson ran to its end, else with 1.
    """
    chosen = [lessons.find(each) for each in numbers or lessons.LESSONS]
    lab.up(lab.Settings.from_environment(), report=OnScreen())
    failed = 0
    with Progress(console=screen()) as progress:
        for lesson in chosen:
            task = progress.add_task(f"{lesson.number} {lesson.title}", total=None)

            def on_cell(done: int, total: int, task: Any = task) -> None:  # noqa: ANN401  rich's own task id
                progress.update(task, completed=done, total=total)

            try:
                seconds = jupyter.execute(lesson, on_cell=on_cell)
                progress.console.print(f"✅ {lesson.number} {lesson.title}: {seconds:.0f} s", markup=False)
            except LessonError as error:
                failed += 1
                progress.console.print(f"✗ {error}", markup=False)
    if failed:
        raise LessonError(f"{failed} of {len(chosen)} lessons failed.")


@command.command(short_help="Start the brokers that do not run.")
@click.option("--share", metavar="ADDRESS", help="Accept other machines at this address of yours: a shared lab.")
def up(share: str | None) -> None:
    """Start the brokers that do not run, and start again those that died.

    With --share, learners on other machines can use them too, with TLS and a password. The output says how.
    """
    settings = lab.Settings.from_environment()
    statuses = lab.up(settings, report=OnScreen(), share=share)
    _print_status(statuses)
    if closed := cli_share.print_sharing(settings, statuses, at_length=share is not None):
        raise LessonError(f"Other machines cannot use the lab: {closed}.", remedy="`lab doctor` says more.")


@command.command(short_help="End the brokers; their data stays.")
@click.option("--wipe", is_flag=True, help="Delete the brokers' data too: the next start is a first start.")
def down(*, wipe: bool) -> None:
    """End the brokers that `lab` started, and nothing else. Their data stays."""
    ended = lab.down(lab.Settings.from_environment(), wipe=wipe)
    click.echo(f"Ended: {', '.join(SERVICES[each].title for each in ended)}." if ended else "Nothing was running.")


@command.command(short_help="Show the services and their addresses.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(*, as_json: bool) -> None:
    """Show the services: their addresses, who provides them, their memory and state.

    Exits with 3 if one of them does not run.
    """
    settings = lab.Settings.from_environment()
    statuses, closed = lab.status(settings), ""
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in statuses], indent=1))
    else:
        _print_status(statuses)
        closed = cli_share.print_sharing(settings, statuses)
    if closed or any(not each.ready for each in statuses if each.provider != "none"):
        sys.exit(_NOT_RUNNING)


def _print_status(statuses: list[lab.Status]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("service", "address", "provided by", "memory", "state"):
        table.add_column(title, overflow="fold")
    for each in statuses:
        memory = f"{each.memory / 1e6:.0f} MB" if each.memory else ""
        address = each.endpoint.address if each.endpoint else "–"
        table.add_row(each.service.title, address, provided_by(each), memory, each.problem or "ready")
    screen().print(table)


@command.command("doctor", short_help="Test everything, and say how to fix what fails.")
def examine() -> None:
    """Test everything a lesson needs by using it, and name a remedy for each failure."""
    report = doctor.examine(lab.Settings.from_environment(), report=OnScreen())
    click.echo(report)
    if not report.passed:
        raise LessonError("Some tests failed; each → names a remedy.")


@command.command(short_help="Print the end of a service's log.")
@click.argument("service", type=click.Choice(sorted(SERVICES)))
@click.option("-f", "--follow", is_flag=True, help="Keep printing new lines until Ctrl-C.")
def logs(service: str, *, follow: bool) -> None:
    """Print the end of a service's log."""
    (found,) = lab.status(lab.Settings.from_environment(), only=[service])
    if found.log is None or not found.log.exists():
        raise LessonError(f"There is no log of {service} here.", remedy="`lab status` shows who provides it.")
    click.echo(processes.tail(found.log, lines=_LOG_LINES, indent=""))
    with found.log.open(encoding="utf-8", errors="replace") as file, contextlib.suppress(KeyboardInterrupt):
        file.seek(0, os.SEEK_END)
        while follow:
            click.echo(line := file.readline(), nl=False)
            time.sleep(0 if line else _FOLLOW_EVERY)


@command.command(short_help="Publish the fleet's readings over MQTT.")
@click.option("--rate", default=6.0, show_default=True, help="Readings per second, of all generators together.")
@click.option("--size", default=6, show_default=True, help="Number of generators.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same readings.")
@click.option("--duration", default=0.0, help="Seconds; without it, until Ctrl-C.")
@click.option("--topic", default="generators/{device}/readings", show_default=True, help="{device} is the generator.")
@click.option("--qos", type=click.IntRange(0, 2), default=1, show_default=True, help="Quality of service.")
def simulate(**options: Any) -> None:  # noqa: ANN401  click passes the options by name
    """Publish the fleet's readings to the MQTT broker, in real time."""
    from helpers.cli.simulate import Plan, publish

    plan = Plan(**options)
    settings = lab.Settings.from_environment()
    found = attach(settings, report=OnScreen())
    client = mqtt.client(found.mqtt, f"{found.ns}simulate-{os.getpid()}")
    click.echo(f"Publishing to {found.ns}{plan.topic} at {found.mqtt.address}. Ctrl-C stops.")
    with mqtt.connected(client, found.mqtt), Progress(console=screen()) as progress:
        task = progress.add_task("Readings", total=round(plan.duration * plan.rate) or None)
        sent = publish(client, found.ns, plan, on_sent=lambda count: progress.update(task, completed=count))
    click.echo(f"{sent} readings published{' and acknowledged' if plan.qos else ': QoS 0 has no acknowledgement'}.")
