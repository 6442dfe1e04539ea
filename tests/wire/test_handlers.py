"""Whoever answers a message answers what is declared for it, and everything that is declared is answered."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import moorage
from moorage import wire
from moorage.deploy.host.control import HANDLER, Control
from moorage.scheduler.causes import Causes
from moorage.scheduler.keeping import Keeper
from moorage.scheduler.ledger import Ledger
from moorage.scheduler.placement.dealer import Dealer
from moorage.scheduler.placement.delivery import Delivery
from moorage.scheduler.placement.tally import Counting
from moorage.scheduler.plugin import PlacementSchedulerPlugin
from moorage.scheduler.recovery.files import Files
from moorage.scheduler.shared import Shared
from moorage.scheduler.tasks.code_store import CodeStore
from moorage.scheduler.tasks.turns import Turns
from moorage.scheduler.tasks.work import PlainWork
from moorage.scheduler.tasks.worker_code import WorkerCode
from moorage.scheduler.transfers import Transfers as Naming
from moorage.wire.code import CodeHandlers, SeeingHandlers, WorkerCodeHandlers
from moorage.wire.host import HostHandlers, RecordHandlers
from moorage.wire.images import ImageHandlers
from moorage.wire.ledger import LedgerHandlers
from moorage.wire.saves import FileHandlers
from moorage.wire.scheduler import NotebookHandlers, WorkerHandlers
from moorage.wire.tally import TallyHandlers, WorkHandlers
from moorage.wire.transfers import LogHandlers, NamingHandlers
from moorage.wire.why import WhyHandlers
from moorage.worker.code.plugin import CodePlugin
from moorage.worker.images.forwarding import Forwarding
from moorage.worker.images.lending import Lending
from moorage.worker.images.receiving import Receiving
from moorage.worker.images.sharing import Sharing
from moorage.worker.images.transfers import Transfers

SOURCES = Path(moorage.__file__).parent
#: Whose methods answer.
ANSWERED: dict[type, tuple[tuple[str, type], ...]] = {
    NotebookHandlers: (
        ("", PlacementSchedulerPlugin),
        ("", Turns),
        ("", Delivery),
        ("", Dealer),
        ("", WorkerCode),
        ("", Shared),
    ),
    RecordHandlers: (("", Keeper), ("", Files)),
    WorkerHandlers: (("", Turns),),
    ImageHandlers: (("", Sharing), ("", Forwarding), ("", Lending), ("", Receiving)),
    HostHandlers: (("", Control),),
    CodeHandlers: (("", CodeStore),),
    WorkerCodeHandlers: (("", CodeStore),),
    SeeingHandlers: (("", CodePlugin),),
    LedgerHandlers: (("", Ledger),),
    TallyHandlers: (("", Counting),),
    WhyHandlers: (("", Causes),),
    NamingHandlers: (("", Naming),),
    FileHandlers: (("", Files),),
    WorkHandlers: (("", PlainWork),),
    LogHandlers: (("", Transfers),),
}
#: Where a handler is a method of another name.
METHODS = {"moorage_pieces": "give", HANDLER: "handle"}


def declared(protocol: type) -> dict[str, Any]:
    return {name: method for name, method in vars(protocol).items() if name.startswith("moorage_")}


def parameters(method: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]


HANDLERS = [(protocol, name) for protocol in ANSWERED for name in declared(protocol)]


@pytest.mark.parametrize(("protocol", "name"), HANDLERS, ids=lambda it: getattr(it, "__name__", it))
def test_a_handler_takes_what_is_declared(protocol: type, name: str) -> None:
    method = METHODS.get(name, name.removeprefix("moorage_"))
    (answers,) = [getattr(cls, method) for _, cls in ANSWERED[protocol] if hasattr(cls, method)]
    expected = parameters(declared(protocol)[name])
    given = parameters(answers)
    assert [p for p in given if p[0] != "_"] == expected
    assert inspect.iscoroutinefunction(answers) == inspect.iscoroutinefunction(declared(protocol)[name])


def test_every_handler_that_is_named_anywhere_is_declared() -> None:
    code = "".join(path.read_text() for path in SOURCES.rglob("*.py") if "wire" not in path.parts)
    named = set(re.findall(r"""(?:["'(]|, |(?:scheduler|worker|other)(?:_of\([^)]*\))?\.)(moorage_[a-z]+)\b""", code))
    plugin = inspect.getsource(PlacementSchedulerPlugin._add_handlers)
    named |= {f"moorage_{name}" for name in re.findall(r"self\.(?:\w+\.)?(\w+)[,)]", plugin)} & {
        name for _, name in HANDLERS
    }
    others = {"moorage_sink", "moorage_stands", "moorage_images", "moorage_worker", "moorage_nanny"}  # no messages
    others |= {"moorage_variables", "moorage_copies"}  # metrics
    assert named - others == {name for _, name in HANDLERS}


def test_the_table_names_shapes_that_there_are() -> None:
    assert wire.__doc__ is not None
    named = re.findall(r"`(scheduler|ledger|images|tasks|host|panel|why|transfers|tally)\.(\w+)`", wire.__doc__)
    assert len(named) > 10
    for module, name in named:
        assert hasattr(__import__(f"moorage.wire.{module}", fromlist=["x"]), name), f"{module}.{name}"
