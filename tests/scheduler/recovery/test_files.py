"""What the scheduler knows of files, as far as it needs no worker for it."""

import asyncio

from moorage.model import OnWorkers
from moorage.scheduler.desired import Desired, Record
from moorage.scheduler.recovery.files import Files
from moorage.wire.scheduler import placement_to_dict


def test_files_that_were_written_while_a_variable_was_moved_are_none_of_it():
    desired = Desired()
    bob = OnWorkers(("bob",))
    record = Record("n:x", "x", "n", ("key",), bob, {"kind": "value"}, "ndarray", hold=True, durable="writing")
    desired.put(record)
    files = Files(None, desired, lambda vids: None)
    for worker, state in ("alice", "writing"), ("bob", "written"):
        placement = placement_to_dict(OnWorkers((worker,)))
        told = {"keys": ["key"], "placement": placement, "state": "written"}
        asyncio.run(files.filed({}, {"n:x": told}))
        assert record.durable == state
