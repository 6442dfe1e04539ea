"""How many workers a cluster has and should have, and who changes that.

* ``size``     how many there are and should be
* ``scaling``  who changes it: its host process, this process, or nobody here

The verbs are in ``controller.resizing``.
"""
