"""Placed variables, saved to files and restored from there, by their workers: no byte of them passes the notebook.

* ``manifest``  what has been saved, as it is written down
* ``store``     the folder in which it is
* ``recipes``   how Dask collections are put together again from their parts
* ``reading``   the tasks that read it
* ``saver``, ``restorer``  what is done
* ``durable``   what is written as soon as it is placed

What a worker does is ``worker/tasks/saving.py``, how values lie in a file ``worker/tasks/file.py``.
"""
