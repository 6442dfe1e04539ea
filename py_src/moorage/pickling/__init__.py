"""How code of the notebook is pickled, and why something cannot be.

* ``functions``      what a function refers to
* ``code_pickler``   functions and classes by value, with file names and source lines from ``sources``
* ``cell_compiler``  the body of a cell as something that can be called
* ``earlier``        values of classes that the notebook has redefined since
* ``texts``          names in texts that code has evaluated
* ``unpicklable``    the path to what cannot be pickled

References to placed values are in ``tasks.references``; how all this is unpickled is in ``worker.unpickling``.
Imported by ``kernel`` and ``tasks``.
"""
