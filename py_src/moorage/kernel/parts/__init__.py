"""The parts of collections: where each is, and a picture of it.

* ``parts``    parts as values
* ``asking``   asks the scheduler
* ``picture``  squares coloured by worker
"""
