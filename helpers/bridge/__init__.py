"""The bridge from MQTT to Kafka that loses nothing, and the one that brings commands back."""

from helpers.bridge.bridge import Bridge, run
from helpers.bridge.config import BridgeConfig, BridgeError, CommandsConfig
from helpers.bridge.ledger import Counts, Snapshot

__all__ = ["Bridge", "BridgeConfig", "BridgeError", "CommandsConfig", "Counts", "Snapshot", "run"]
