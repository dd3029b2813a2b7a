"""The tests. A package, so that tests can share code: ``from tests.notebooks import anatomy``."""
