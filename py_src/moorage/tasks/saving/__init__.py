"""Placed variables, saved to files and restored from there, by their workers: no byte of them passes the notebook.

* ``manifest``  what has been saved, as it is written down
* ``store``     the folder in which it is
* ``saver``, ``restorer``  what is done

What a worker does is ``worker/tasks/saving.py``, how values lie in a file ``images/file.py``.
"""
