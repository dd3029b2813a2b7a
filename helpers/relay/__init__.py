"""A TCP relay between a client and its broker, to cut, freeze and watch a connection."""

from helpers.relay.packets import Packet
from helpers.relay.relay import Relay

__all__ = ["Packet", "Relay"]
