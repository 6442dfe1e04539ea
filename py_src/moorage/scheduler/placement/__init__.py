"""Carries out what is desired (``scheduler.desired``), while there are workers.

* ``reconcile``  carries out the plan, in slices of time
* ``observed``   workers and keys as the plan sees them
* ``spreads``    values that go to several hosts at once
* ``replicas``   tells when workers get and lose copies
* ``dealer``     deals the parts of collections out, and anew when workers come and go
* ``policy``     the memory manager's policies: leave placed keys alone, drop surplus copies

The plan itself is pure: ``moorage.plan``. Imported by ``scheduler.plugin``; shipped by value.
"""
