"""When a worker has to leave so that its data can move before the queue ends its job. Standard library only."""

from __future__ import annotations

_UNITS = {"slurm": ("m", "ms"), "lsf": ("m", "hm"), "oar": ("h", "hm")}
"""What one field and two fields of a wall time mean where it is not seconds, and minutes and seconds."""

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def lifetime(wall_seconds: float) -> list[str]:
    """Return the options of a worker that leaves before its job ends.

    Workers that were started together leave one after the other, so that the data of each has somewhere to go: their
    successors have to wait in the queue.
    """
    reserve = max(min(wall_seconds / 8, 600.0), min(wall_seconds / 3, 90.0))  # to start, and to move the data
    spread = min(wall_seconds / 10, 1800.0)
    return ["--lifetime", f"{wall_seconds - reserve - spread:.0f}s", "--lifetime-stagger", f"{spread:.0f}s"]


def wall_time(queue: str, text: object) -> float | None:
    """Return the seconds that `text` stands for as the wall time of a job; None if there is none.

    Parameters
    ----------
    queue : str
        As dask-jobqueue calls it: ``sge``, ``slurm``, …
    text : str or None
        ``[days-]hours:minutes:seconds``, or fewer fields: what they mean depends on the queue.
    """
    days, dash, clock = str(text).rpartition("-")
    fields = clock.split(":")
    if len(fields) > 3 or not all(field.isdecimal() for field in [*fields, *([days] if dash else [])]):
        return None
    units = "hms" if dash or len(fields) == 3 else _UNITS.get(queue, ("s", "ms"))[len(fields) - 1]
    seconds = sum(int(field) * _SECONDS[unit] for field, unit in zip(fields, units, strict=False))
    return (seconds + int(days or 0) * 24 * 3600.0) or None
