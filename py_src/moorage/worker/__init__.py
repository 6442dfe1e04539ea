"""What moorage runs inside worker processes.

* ``tasks``       runs functions and cells: outcomes, errors, output
* ``unpickling``  makes of what arrives code and references
* ``images``      values in memory that all workers of a host share
* ``holdings``, ``text``  whether an object has changed; text that can be sent

Shipped by value to workers that have no moorage installed, so it stays small and imports nothing above ``images``.
"""
