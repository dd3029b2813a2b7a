"""A simulated fleet of emergency generators: what its sensors measure. It does no input or output."""

from helpers.fleet import history
from helpers.fleet.faults import Episode, Fault
from helpers.fleet.fleet import START, Fleet, Reading
from helpers.fleet.fuel import litres_per_hour
from helpers.fleet.generator import Generator
from helpers.fleet.sites import Site, known_sites

__all__ = [
    "START",
    "Episode",
    "Fault",
    "Fleet",
    "Generator",
    "Reading",
    "Site",
    "history",
    "known_sites",
    "litres_per_hour",
]
