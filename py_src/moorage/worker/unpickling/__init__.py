"""Makes of what the notebook has pickled (``moorage.pickling``, ``tasks.references``) the code and data of a task.

Imported by ``worker.tasks``, and by what pickles.
"""
