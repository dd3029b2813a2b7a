"""The simulated fleet of emergency generators: what is measured, with no input or output."""

from helpers.fleet.faults import Fault
from helpers.fleet.fleet import Fleet, Reading
from helpers.fleet.fuel import litres_per_hour

__all__ = ["Fault", "Fleet", "Reading", "litres_per_hour"]
