"""What the tests of docker-compose.yml share: an engine, images, and a stack that is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compose import stand_ins
from tests.compose.engine import engine
from tests.compose.stack import IMAGES, Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--images",
        choices=["stand-ins", "real"],
        default="stand-ins",
        help="what docker-compose.yml is tried with: stand-ins made here, or the official images, pulled",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The first test pulls the images, or makes the stand-ins.
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def real_images(request: pytest.FixtureRequest) -> bool:
    """Whether the official images are used, not stand-ins."""
    return bool(request.config.getoption("--images") == "real")


@pytest.fixture(scope="session")
def new_stack(*, real_images: bool) -> Iterator[Callable[[], Stack]]:
    """Make stacks that are not up yet. They are wiped in the end."""
    made: list[Stack] = []
    with engine() as variables:
        if not real_images:
            stand_ins.load(IMAGES, variables)

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
