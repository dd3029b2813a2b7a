"""The lab: a real MQTT broker, Kafka and schema registry on this machine in seconds, or the ones you bring.

Lessons need five names: :func:`connect` gives addresses and configuration, :func:`scratch` a scratch broker to break,
:func:`cluster` several of Kafka's, :func:`secured` brokers with locks, and :func:`beside` ends what runs beside cells.
The ``lab`` command uses the rest.
"""

from helpers.lab.connect import Here, connect
from helpers.lab.doctor import preflight
from helpers.lab.lifecycle import Status, down, status, up
from helpers.lab.scratch import cluster, scratch, secured
from helpers.lab.settings import Settings
from helpers.running import beside

__all__ = ["Here", "Settings", "Status", "beside", "cluster", "connect", "down", "preflight", "scratch", "secured"]
__all__ += ["status", "up"]
