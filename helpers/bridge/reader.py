"""Bytes in, MQTT packets out. Pure: the socket belongs to the connection."""

from __future__ import annotations

import mqtt5

from helpers.errors import BridgeError

_SIZE = 1 << 18


class Reader:
    """Collects bytes in pieces of any size, and takes whole packets out of them.

    ``space()`` gives the memory to read into; ``packets(n)`` notes that ``n`` bytes came and returns what is whole now.
    Raises ``BridgeError`` on malformed bytes: the connection must then be closed (MQTT 5.0, 4.13.1).
    """

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self._buffer = bytearray(size)
        self._used = 0

    def space(self) -> memoryview:
        """Return the free part of the buffer, never empty."""
        if self._used == len(self._buffer):  # one packet larger than the buffer
            self._buffer = self._buffer + bytes(len(self._buffer))
        return memoryview(self._buffer)[self._used :]

    def packets(self, count: int) -> list[mqtt5.Packet]:
        """Return the packets that are whole now that ``count`` more bytes are in the buffer."""
        self._used += count
        packets = []
        start, read = 0, mqtt5.read
        view = memoryview(self._buffer)[: self._used]
        try:
            while start < self._used:
                packet, length = read(view[start:])
                packets.append(packet)
                start += length
        except IndexError:  # the rest of this packet is still under way
            pass
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # the codec panics on text that is not UTF-8; a panic is a BaseException
            raise BridgeError(f"The MQTT broker sent a malformed packet: {error}") from error
        if start:
            self._keep(start)
        return packets

    def _keep(self, start: int) -> None:
        """Move what is left to the front, and shrink a buffer that grew for one large packet."""
        rest = self._buffer[start : self._used]
        if len(self._buffer) > self._size and len(rest) < self._size:
            self._buffer = bytearray(self._size)
        self._buffer[: len(rest)] = rest
        self._used = len(rest)
