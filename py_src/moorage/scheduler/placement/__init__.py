"""Keeps data where it was put while its workers are there.

* ``desired``    which variables there are and where they shall be
* ``reconcile``  carries out the plan, in slices of time
* ``keeping``    what keeps the keys of variables alive from being placed to being released
* ``replicas``   tells when workers get and lose copies; ``shared`` which have them in memory of their host
* ``policy``     the memory manager's policies: leave placed keys alone, drop surplus copies

The plan itself is pure: ``moorage.plan``. Imported by ``scheduler.plugin``; shipped by value.
"""
