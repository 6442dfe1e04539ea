"""The user's own modules as data: what they say, what belongs together, and which of them may follow to workers.

* ``text``      one module as the notebook runs it, and the modules that it names in imports
* ``manifest``  all of them at one moment: a version of the user's code
* ``places``    which files are the user's, and which names nobody may send
* ``objects``   objects of a class as it was before it was redefined

Modules travel as text, under their names, and not as functions pickled by value (cloudpickle's
``register_pickle_by_value``). By value each task would carry a copy of a module's globals of its own: caches and models
would be lost from task to task, a class would be another one in each pickle, so that `isinstance` fails between them,
and large modules would travel with every task. By name a task carries a digest of all modules, and each text travels
once.

Pure: the standard library only. What watches imports is in ``kernel.code``, what serves modules to imports on workers
in ``worker.code``.
"""
