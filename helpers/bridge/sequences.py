"""Loss before the bridge, detected by sequence numbers. Pure."""

from __future__ import annotations

_GAPS_KEPT = 8
# A jump further than this, up or down, is a counter that wrapped or began again: it does not count as a gap.
_FURTHEST = 1_000_000
_DEVICES, _LONGEST = 1_000_000, 1_000  # devices, and characters of their names


class Sequences:
    """Detects loss by sequence numbers, per device and boot.

    A jump says how many messages are missing. A skipped number may come later, if a device's client sent it again after
    others: then it is no longer missing. Any other low number is a repetition, which at-least-once delivery allows.
    Keeps the highest number of each device and its latest gaps, about 300 bytes, for a million devices at most.
    """

    def __init__(self) -> None:
        self.missing = 0
        self._seen: dict[str, _Seen] = {}

    def note(self, device: str, boot: str, number: int) -> int:
        """Note a message; return how many more are missing before it, -1 if it was missing itself, or 0.

        A new boot may start at any number.
        """
        seen = self._seen.get(device)
        if seen is None or seen.boot != boot or abs(number - seen.last) > _FURTHEST:
            if len(self._seen) < _DEVICES and len(device) + len(boot) <= _LONGEST:
                self._seen[device] = _Seen(boot, number)
            return 0
        change = seen.skipped_before(number) if number > seen.last else -seen.fills(number)
        self.missing += change
        return change


class _Seen:
    """What came from one boot of one device: all up to ``last`` except the gaps."""

    __slots__ = ("boot", "gaps", "last")

    def __init__(self, boot: str, last: int) -> None:
        self.boot = boot
        self.last = last
        self.gaps: tuple[range, ...] = ()

    def skipped_before(self, number: int) -> int:
        if gap := range(self.last + 1, number):
            self.gaps = (*self.gaps, gap)[-_GAPS_KEPT:]
        self.last = number
        return len(gap)

    def fills(self, number: int) -> bool:
        for gap in self.gaps:
            if number in gap:
                parts = (range(gap.start, number), range(number + 1, gap.stop))
                self.gaps = tuple(each for old in self.gaps for each in (parts if old is gap else (old,)) if each)
                return True
        return False
