"""All that a notebook may ask of a scheduler, in one place. Only shapes."""

from __future__ import annotations

from typing import Protocol

from moorage.wire.code import CodeHandlers
from moorage.wire.host import HostHandlers
from moorage.wire.ledger import LedgerHandlers
from moorage.wire.saves import FileHandlers
from moorage.wire.scheduler import NotebookHandlers
from moorage.wire.tally import WorkHandlers
from moorage.wire.transfers import NamingHandlers
from moorage.wire.why import WhyHandlers


class SchedulerHandlers(
    NotebookHandlers,
    LedgerHandlers,
    WhyHandlers,
    NamingHandlers,
    CodeHandlers,
    HostHandlers,
    FileHandlers,
    WorkHandlers,
    Protocol,
):
    """The scheduler as a notebook asks it; what belongs to the host only if a host process runs it."""
