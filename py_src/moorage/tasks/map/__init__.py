"""A map: the items of an iterable, run in batches.

* ``run``       the thread that keeps all workers busy
* ``source``, ``feed``, ``batching``  the items, which of them go next and where, and how many into one task
* ``dispatch``  makes tasks of batches and sends them
* ``ledger``    what is known of each item
* ``outcomes``  brings the outcomes home; ``results`` is what the notebook gets
* ``why``       why items have no values yet

What runs the items of a batch on a worker is ``worker.tasks.batch``. Imported by the rest of ``tasks`` and above.
"""
