"""What the notebook, the scheduler and the workers say to each other about the user's modules. Only shapes.

The notebook puts a version of the code on the scheduler, ``moorage_keep``, before it sends a task or a value that needs
it. The scheduler tells workers, ``moorage_see``; one that joins asks, ``moorage_latest``. What a worker does not have
of a version it asks for, ``moorage_code``, before it runs a task of that version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypedDict


class ModuleEntry(TypedDict):
    """One module in a version of the code."""

    digest: str  # of its text
    deep: str  # of it together with all that it can reach
    path: str  # of its file in the notebook; empty of a namespace package
    package: bool
    not_sent: str  # why; the digest is that of the notebook's file then


class PackedText(TypedDict):
    """The text of a module, and files beside it, each compressed by zlib."""

    source: bytes
    files: dict[str, bytes]


class CodeVersion(TypedDict):
    """Which code a task needs; part of its options."""

    id: str  # of the version; empty if there are no modules of the user
    serial: int  # grows with each version that comes to the scheduler
    owner: str  # whose code it is, for messages
    process: str  # which process has it of itself: workers that are threads of the notebook's


class KeptCode(TypedDict):
    """The answer to ``moorage_keep``."""

    serial: int
    lacking: list[str]  # digests of texts that the scheduler does not have: nothing was kept


class CodeAnswer(TypedDict):
    """The answer to ``moorage_code``."""

    status: Literal["OK", "unknown"]
    entries: dict[str, ModuleEntry]
    texts: dict[str, PackedText]  # by digest


class FoundCode(TypedDict):
    """The answer to ``moorage_whose``."""

    status: Literal["OK", "unknown", "several"]  # unknown: nobody has modules of those names
    code: CodeVersion | None
    answer: CodeAnswer  # that version


class CodeHandlers(Protocol):
    """What notebooks ask of the scheduler about code."""

    async def moorage_keep(
        self,
        client: str,
        code: CodeVersion,
        entries: Mapping[str, ModuleEntry],
        texts: Mapping[str, PackedText],
        wait: float = 0.0,
    ) -> KeptCode:
        """Keep a version, whose serial is not known yet, for workers, and tell them.

        `texts`: those that may be new to the scheduler. `wait`: seconds to wait for workers to have it.
        """
        ...


class WorkerCodeHandlers(Protocol):
    """What workers ask of the scheduler about code."""

    async def moorage_latest(self) -> list[CodeVersion]:
        """Return the versions that came last, the very last one at the end."""
        ...

    async def moorage_code(self, version: str, have: list[str]) -> CodeAnswer:
        """Return a version, with the texts whose digests are not in `have`."""
        ...

    async def moorage_whose(self, modules: Mapping[str, str], have: list[str]) -> FoundCode:
        """Return a version that has these modules; or else, if all of their names are of one notebook, its latest.

        `modules`: deep digests, by name. `have`: as of `moorage_code`.
        """
        ...


class SeeingHandlers(Protocol):
    """What the scheduler asks of workers about code, and, through it, the notebook."""

    async def moorage_see(self, code: CodeVersion) -> None:
        """Fetch a version, and let imports see it unless a later one is there."""
        ...

    async def moorage_modules(self) -> dict[str, str]:
        """Return the deep digests of the modules that imports see there, by name."""
        ...
