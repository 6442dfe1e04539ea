"""The parts of collections: where each is, and a picture of it.

* ``parts``     parts as values
* ``elements``  those of a list or dict of futures
* ``picture``   squares coloured by worker
"""
