"""What fills the memory of the cluster, by name.

* ``names``   which keys the notebook's variables keep on the cluster
* ``asking``  the questions to the scheduler and the workers
* ``memory``  the answer: `Memory`
* ``advice``  what to say of workers that are short of memory
* ``watch``   says that in time

The scheduler counts (``scheduler/ledger.py``). Imported by ``controller``.
"""
