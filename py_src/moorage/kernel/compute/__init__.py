"""Runs functions and cells of the notebook next to the data: one task, or a map of ten thousand items.

* what goes along: ``cells`` (compiles a cell), ``functions``, ``capture`` (what it takes along), ``refs`` (references
  in the place of what is on the cluster already)
* one task: ``submit``, ``options``, ``locality`` (on which workers), ``runtime`` (the worker side, what it reports)
* a map: ``mapping`` runs it in batches (``source``, ``feeding``, ``batching``, ``sending``), ``ledger`` knows each
  item, ``results`` is what the notebook gets; ``each`` is once per worker
* the rest of moorage: ``backend`` is what all this needs of it, ``placed_data`` gives it that, ``submitting`` has the
  verbs

Placing is not here; what runs on workers is in ``moorage.worker``.
"""
