"""What has moved between workers, by name, and which placement would have saved it.

* ``moved``   the answer: `Transfers`
* ``asking``  the questions to workers and the scheduler; a `Moment` to count from
* ``sums``    what workers have answered, put together
* ``advice``  what a placement would have saved

The workers' side is ``worker/images/transfers.py``, the scheduler's ``scheduler/transfers.py``. Imported by
``controller``.
"""
