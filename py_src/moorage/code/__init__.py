"""The user's own modules as data: what they say, what belongs together, and which of them may follow to workers.

* ``text``      one module as the notebook runs it, and the modules that it names in imports
* ``manifest``  all of them at one moment: a version of the user's code
* ``places``    which files are the user's, and which names nobody may send

Pure: the standard library only. What watches imports is in ``kernel.code``, what serves modules to imports on workers
in ``worker.code``.
"""
