"""What a client's packets mean: it connects, publishes, and is refused what a proxy does not have."""

from __future__ import annotations

import math
import uuid
from typing import cast

import mqtt5
from mqtt5 import ConnAckReasonCode, DisconnectReasonCode, PubAckReasonCode, QoS

from helpers.proxy import packets
from helpers.proxy.access import allows, is_topic, knows
from helpers.proxy.connection import Connection
from helpers.proxy.packets import ProtocolError
from helpers.sink import InFlight
from helpers.sink.records import Moment
from helpers.topics import is_mqtt_text

# The longest session, in seconds. It holds a client id and a last will, so that a will delay has a meaning.
_LONGEST_SESSION = 300
_LONGEST_NAME = 1_000  # characters of a client id, and of a topic that is remembered


class Client(Connection):
    """A publisher, of MQTT 5 or 3.1.1."""

    _user: str | None = None
    _topic: str | None = None  # the last one that was found to be allowed

    def _take(self, frame: memoryview, received: Moment) -> None:
        if not self._version:
            self._connect(len(frame), *packets.read_connect(frame))
        elif frame[0] >> 4 == packets.PUBLISH:
            self._publish(frame, received)
        else:
            self._control(packets.read(frame, self._version))

    def _publish(self, frame: memoryview, received: Moment) -> None:
        """Pass on a message. Here, and in what it calls, the proxy spends its time."""
        first, counts, sink = frame[0], self._server.counts, self._server.sink
        qos, five = first >> 1 & 3, self._version == packets.FIVE
        packet = cast("mqtt5.PublishPacket", packets.read(frame, self._version))
        if first & 1 and self._config.headers == "topic":  # "all" has it among the flags
            packet.user_properties.append(packets.RETAINED)
        message = InFlight(packet, received, sink)
        allowed = packet.topic == self._topic or self._allows(packet, answered=five and qos == 1)
        if qos:
            number = packet.packet_id or 0
            if qos > 1 or not number or (five and len(self.unacked) >= self._config.receive_maximum):
                message.done = self._check(number, qos)
            answer = packets.ACK.pack(packets.PUBACK if qos == 1 else packets.PUBREC, number)
            if not allowed:
                message.done = True
                answer = mqtt5.PubAckPacket(number, reason_code=PubAckReasonCode.NOT_AUTHORIZED).write()
            counts.received += 1
            counts.redelivered += first >> 3 & 1
            self.unacked.append((message, answer))
        else:
            counts.received_qos0 += 1
        if not message.done:
            sink.send(message)

    def _check(self, number: int, qos: int) -> bool:
        """Return whether a message of QoS 2 was received before, or raise ``ProtocolError``."""
        if not number:
            raise ProtocolError
        if self._version == packets.FIVE:
            reasons = DisconnectReasonCode
            raise ProtocolError(reasons.QOS_NOT_SUPPORTED if qos > 1 else reasons.RECEIVE_MAX_EXCEEDED)
        known = number in self._unreleased
        self._unreleased[number] = None
        if len(self._unreleased) > self._config.receive_maximum:
            raise ProtocolError
        return known

    def _allows(self, packet: mqtt5.PublishPacket, *, answered: bool) -> bool:
        """Return whether the client may publish to this topic; if not, only PUBACK in MQTT 5 has an answer for it."""
        topic = packet.topic
        if packet.topic_alias is not None:
            raise ProtocolError(DisconnectReasonCode.TOPIC_ALIAS_INVALID)
        if not is_topic(topic):
            raise ProtocolError(DisconnectReasonCode.TOPIC_NAME_INVALID)
        if allows(self._config.allow, topic, self._user or "", self.client_id):
            self._topic = topic if len(topic) <= _LONGEST_NAME else None
            return True
        self._server.counts.denied += 1
        if not answered:
            raise ProtocolError(DisconnectReasonCode.NOT_AUTHORIZED)
        return False

    def _control(self, packet: mqtt5.Packet) -> None:
        """Handle a packet other than PUBLISH."""
        if isinstance(packet, mqtt5.PingReqPacket):
            self.transport.write(packets.PINGRESP)
        elif isinstance(packet, mqtt5.PubRelPacket):
            self._unreleased.pop(packet.packet_id, None)
            self.transport.write(packets.ACK.pack(packets.PUBCOMP, packet.packet_id))
        elif isinstance(packet, (mqtt5.SubscribePacket, mqtt5.UnsubscribePacket)):
            self.transport.write(packets.refusal(self._version, packet))
        elif isinstance(packet, mqtt5.DisconnectPacket):
            self._disconnect(packet)
        else:
            raise ProtocolError(DisconnectReasonCode.PROTOCOL_ERROR)

    def _disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        if (expiry := packet.session_expiry_interval) is not None:
            if expiry and not self._session_expiry:  # MQTT 5.0, 3.14.2.2.2
                raise ProtocolError(DisconnectReasonCode.PROTOCOL_ERROR)
            self._session_expiry = min(expiry, _LONGEST_SESSION)
        if packet.reason_code is DisconnectReasonCode.NORMAL_DISCONNECTION:
            self.take_will()
        self.end(DisconnectReasonCode.NORMAL_DISCONNECTION)

    def _connect(self, size: int, level: int, packet: mqtt5.ConnectPacket | None) -> None:
        """Accept a client or refuse it; ``size`` is that of the CONNECT packet."""
        refusal = ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION
        if packet is None or (refusal := self._refusal(level, packet)) != ConnAckReasonCode.SUCCESS:
            self._server.counts.refused += 1
            self.transport.write(packets.connack(level, refusal))
            self.end(DisconnectReasonCode.NORMAL_DISCONNECTION)
            return
        config, asked = self._config, packet.session_expiry_interval
        assigned = None if packet.client_id else f"auto-{uuid.uuid4().hex}"
        self._version, self.client_id = level, assigned or packet.client_id
        self._framer.largest = config.max_packet_size
        self._will, self._will_size = packet.will, size if packet.will else 0
        self._patience, self._session_expiry = 1.5 * packet.keep_alive or math.inf, min(asked, _LONGEST_SESSION)
        self._server.counts.connects += 1
        self._server.connected(self, clean=packet.clean_start)
        self.transport.write(packets.connack(
            level, assigned_client_id=assigned, receive_max=config.receive_maximum,
            max_packet_size=config.max_packet_size,
            session_expiry_interval=_LONGEST_SESSION if asked > _LONGEST_SESSION else None,
        ))  # fmt: skip

    def _refusal(self, level: int, packet: mqtt5.ConnectPacket) -> ConnAckReasonCode:
        """Return why a client is refused, or ``SUCCESS``; note its user name."""
        reasons, client_id, will = ConnAckReasonCode, packet.client_id, packet.will
        if packet.authentication_method is not None:
            return reasons.BAD_AUTHENTICATION_METHOD
        nameless = level < packets.FIVE and not packet.clean_start and not client_id
        if nameless or len(client_id) > _LONGEST_NAME or not is_mqtt_text(client_id):
            return reasons.CLIENT_ID_NOT_VALID
        self._user = self._verified(packet)
        if self._user is None and self._config.names_users:
            return reasons.BAD_USER_NAME_OR_PASSWORD
        if will and level == packets.FIVE and will.qos is QoS.EXACTLY_ONCE:
            return reasons.QUALITY_NOT_SUPPORTED
        if will and not allows(self._config.allow, will.topic, self._user or "", client_id):
            return reasons.NOT_AUTHORIZED
        return reasons.SUCCESS if will is None or is_topic(will.topic) else reasons.TOPIC_NAME_INVALID

    def _verified(self, packet: mqtt5.ConnectPacket) -> str | None:
        """Return the client's user name, by its certificate or its password; ``None`` without any."""
        certificate = self.transport.get_extra_info("peercert") or {}
        subject: dict[str, str] = dict(pair for part in certificate.get("subject", ()) for pair in part)
        if name := subject.get("commonName"):
            return name
        return packet.username if knows(self._server.users, packet.username, packet.password) else None
