"""Copies that have been on their way for long: what slows them, and what helps, in words. Pure."""

from __future__ import annotations

from dask.utils import format_bytes

from moorage.magic import quote
from moorage.naming import short_name
from moorage.wire.why import CopyFacts

LONG = 5.0
"""Seconds beyond twice what is usual after which a copy is said to take long."""


def slow_copy(copy: CopyFacts | None) -> tuple[str, str, tuple[str, ...], str] | None:
    """Return why a copy takes long, what helps, no log, and a line; None if none does."""
    if copy is None or copy["seconds"] < LONG + 2 * copy["usual"]:
        return None
    source, target = short_name(copy["source"]), short_name(copy["target"])
    cause = (
        f"{source} has been sending {format_bytes(copy['nbytes'])} to {target} for {copy['seconds']:.0f} s, "
        f"and {format_bytes(copy['there'])} of {format_bytes(copy['total'])} are there"
    )
    if silent := copy["silent"]:
        short = short_name(silent)
        return (
            f"{cause}; {short} has said nothing for {copy['silence']:.0f} s: it is stopped, or runs code that lets "
            "nothing else run.",
            f"It goes on when {short} does; cluster.client.restart_workers([{silent!r}]) restarts it.",
            (),
            f"%why {quote(silent)}",
        )
    itself = "It arrives by itself"
    if (n := copy["sending"]) > 0:
        others = "another copy" if n == 1 else f"{n:,} other copies"
        return f"{cause}; {source} has {others} to send.", f"{itself}; what is not urgent can be released.", (), ""
    if copy["receiving"]:
        more = format_bytes(copy["receiving"])
        return f"{cause}; {target} is to receive {more} more.", f"{itself}; what is not urgent can be released.", (), ""
    usual = f"such a copy usually takes {max(copy['usual'], 0.1):.1f} s"
    busy = f"{cause}; {usual}, so one of the two, or their link, is busy."
    return busy, f"{itself}; %why {source} and %why {target} say what they do.", (), f"%why {quote(copy['source'])}"
