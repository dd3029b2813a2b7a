"""What the proxy counts."""

from __future__ import annotations

from dataclasses import dataclass

from helpers import sink
from helpers.sink.snapshot import seldom


@dataclass(kw_only=True, slots=True)
class Counts(sink.Counts):
    """What every sink counts, and clients since the start; ``connections`` are those that are open now.

    ``connects``: accepted, of which ``taken_over`` ended an earlier connection with the same client id. ``refused``:
    not accepted. ``broken``: connections that ended because of what the client sent, or did not send. ``denied``:
    messages on topics that their client may not publish to. ``wills``: last wills produced.
    """

    connections: int = seldom("connections")
    connects: int = 0
    refused: int = seldom("connects refused")
    taken_over: int = seldom("client ids taken over")
    broken: int = seldom("connections broken")
    denied: int = seldom("messages denied")
    wills: int = seldom("last wills")
