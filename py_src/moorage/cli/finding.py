"""What a check has found: that something is well, or what is wrong and what would help."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "note", "warning", "fault"]


class Finding(NamedTuple):
    """One line of the doctor's report."""

    level: Level  # warning: something works less well than it could; fault: something does not work
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        word = self.level if self.level in ("ok", "note") else self.level.upper()
        lines = [f"{word:<9}{self.what}", *(f"{'':<9}{line}" for line in self.remedy.splitlines())]
        return "\n".join(lines)
