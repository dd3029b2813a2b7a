"""How topic filters relate to one another (MQTT 5.0, section 4.7). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest


def overlap(one: str, other: str) -> bool:
    """Return whether some topic matches both filters; a topic is a filter too."""
    if one[:1] + other[:1] in {"$+", "+$", "$#", "#$"}:  # a leading wildcard matches no topic that begins with $
        return False
    for mine, theirs in zip_longest(one.split("/"), other.split("/")):
        if "#" in (mine, theirs):  # it matches the level above as well
            return True
        if mine != theirs and ("+" not in (mine, theirs) or None in (mine, theirs)):
            return False
    return True


def covers(wide: str, narrow: str) -> bool:
    """Return whether every topic that matches ``narrow`` matches ``wide`` as well."""
    if narrow[:1] == "$" and wide[:1] in {"+", "#"}:
        return False
    for mine, theirs in zip_longest(wide.split("/"), narrow.split("/")):
        if mine == "#":
            return True
        if theirs in (None, "#") or mine not in (theirs, "+"):
            return False
    return True


def widest(filters: Iterable[str]) -> tuple[str, ...]:
    """Return the filters that no other one covers, each once, in their order."""
    unique = tuple(dict.fromkeys(filters))
    return tuple(each for each in unique if not any(covers(other, each) for other in unique if other != each))
