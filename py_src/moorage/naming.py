"""Names of workers as sentences say them. Some are made by machines: an address, or a name with a long random id in it.

The panel shows the same (``labextension/src/store/names.ts``). Pure: the standard library only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_SCHEME = re.compile(r"^[a-z]+://(?=.)")
_RANDOM = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<![0-9a-z])(?=\d*[a-f])[0-9a-f]{10,}(?![0-9a-z])", re.IGNORECASE
)
_CUT = re.compile(r"(?<![0-9a-z])[0-9a-f]{7}(?![0-9a-z])", re.IGNORECASE)


def short_name(worker: str) -> str:
    """Return a worker's name for a sentence: of a long random id in it, the first digits, as in the panel."""
    return _RANDOM.sub(lambda found: found[0][:7], _SCHEME.sub("", worker))


def short_names(workers: Iterable[str]) -> list[str]:
    """Return names for a sentence, those that would be the same as they are."""
    names = list(workers)
    times = Counter(map(short_name, names))
    return [short if times[short := short_name(name)] == 1 else name for name in names]


def named(short: str, workers: Iterable[str]) -> str:
    """Return the one of `workers` whose short name is `short`, or nothing."""
    if not (":" in short or _CUT.search(short)):
        return ""  # what is short already
    found = [worker for worker in workers if short_name(worker) == short]
    return found[0] if len(found) == 1 else ""
