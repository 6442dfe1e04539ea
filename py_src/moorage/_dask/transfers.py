"""Data on its way: the scheduler's handlers that plain clients use, and questions to workers.

Relied on, as read in distributed 2026.8.0: ``handlers`` is looked up for each message, so that an entry can be
replaced; ``update_data`` tells the scheduler what has reached workers; ``rpc(address)`` calls a worker's handlers, and
its ``connect`` is used for all of that; workers answer each ``steal-request`` by ``steal-response``, with the state of
the key. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from moorage._dask.parts import parts_of

SUBJECT = "care for data on its way"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "scatter": ("data", "workers", "client", "broadcast", "timeout"),
            "replicate": ("keys", "n", "workers"),
            "rebalance": ("keys", "workers"),
            "update_data": ("who_has", "nbytes", "client"),
            "coerce_address": ("addr",),
            "workers_list": ("workers",),
            "client_send": ("client", "msg"),
        },
        live=("stream_comms", "stream_handlers", "rpc"),
        entries={"handlers": ("scatter", "replicate", "rebalance", "update_data")},
    ),
    *parts_of(SUBJECT, "distributed.core:ConnectionPool", calls={"connect": ("addr", "timeout"), "remove": ("addr",)}),
    *parts_of(
        SUBJECT, "distributed.worker_state_machine:StealRequestEvent", calls={"__init__": ("stimulus_id", "key")}
    ),
    *parts_of(SUBJECT, "distributed.worker:Worker", calls={"update_data": ("data",), "keys": ()}),
)
