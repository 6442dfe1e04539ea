"""Why something is not as it should be: one cause, and one remedy.

* ``answer``     `Why`
* ``tasks``      of futures and collections: what holds up a task
* ``variables``  of placed variables
* ``copies``     of copies that have been on their way for long
* ``items``      of the items of a map
* ``groups``     of several parts or items at once
* ``workers``    of workers
* ``endings``    how workers ended
* ``asking``     the question to the scheduler

All but ``asking`` are pure: facts in, words out. What a name stands for is found in ``tasks/why.py``.
"""
