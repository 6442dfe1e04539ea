"""Keys held alive on the scheduler, in the name of a client that is none.

Relied on, as read in distributed 2026.8.0: ``client_desires_keys`` makes a client of any name that it does not know,
and that entry of ``clients`` can be taken away once it desires nothing. Without these parts the scheduler plugin does
not start.
"""

from __future__ import annotations

from moorage._dask.parts import parts_of

SUBJECT = "hold on placed keys"

PARTS = parts_of(
    SUBJECT,
    "distributed.scheduler:Scheduler",
    calls={"client_desires_keys": ("keys", "client"), "client_releases_keys": ("keys", "client")},
    live=("clients",),
)
