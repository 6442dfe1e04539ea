"""Runs functions and cells of the notebook next to the data: one task, or a map of ten thousand items.

* ``runner``       runs them: what ``submit``, ``map`` and ``%%submit`` call; ``each`` is once on every worker
* ``map``          a map, in batches
* ``collections``  ``compute`` and ``persist`` of Dask collections
* ``capture``, ``references``  what a task takes along, and references in the place of what is on the cluster already
* ``calls``, ``options``, ``locality``, ``span``  what is called, how, on which workers, and how Dask counts it
* ``runtime``      puts ``worker.tasks`` on the workers, and brings back what they report
* ``why``          why something does not go on: what a name stands for, and who knows
* ``placed_data``  what all this needs of the rest of moorage

Placing is in ``kernel``, what runs on workers in ``worker.tasks``. Imported by ``controller`` and ``jupyter``.
"""
