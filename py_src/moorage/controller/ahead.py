"""Pickles, while the processes of a cluster start, what they will get: the first time that takes half a second."""

from __future__ import annotations

from threading import Thread

from moorage.kernel.code import sending as code
from moorage.kernel.images.sending import worker_sides
from moorage.kernel.install import scheduler_side
from moorage.tasks import runtime


def pickle_ahead() -> None:
    """Begin to pickle, in a thread of its own."""
    Thread(target=_pickle, name="moorage-ahead", daemon=True).start()


def _pickle() -> None:
    scheduler_side()
    for side in (*worker_sides(code.MODULE), code.SIDE, runtime.SIDE):
        side.pickled()
