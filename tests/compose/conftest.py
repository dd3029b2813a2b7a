"""What the tests of docker-compose.yml share: an engine, images, and a stack that is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.compose import stand_ins
from tests.compose.engine import engine
from tests.compose.stack import SERVICES, Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--images",
        choices=["stand-ins", "real"],
        default="stand-ins",
        help="what docker-compose.yml is tried with: stand-ins made here, or the official images, pulled",
    )


@pytest.fixture(scope="session")
def new_stack(request: pytest.FixtureRequest) -> Iterator[Callable[[], Stack]]:
    """Make stacks that are not up yet. They are wiped in the end."""
    made: list[Stack] = []
    with engine() as variables:
        if request.config.getoption("--images") == "stand-ins":
            stand_ins.load({each["image"] for each in SERVICES.values() if "image" in each}, variables)

        def new() -> Stack:
            made.append(Stack(variables))
            return made[-1]

        try:
            yield new
        finally:
            for each in made:
                each.down(wipe=True)


@pytest.fixture(scope="session")
def stack(new_stack: Callable[[], Stack]) -> Stack:
    """The services that have no profile, healthy."""
    stack = new_stack()
    stack.up()
    return stack
