"""How a cluster grows and shrinks without losing data.

* ``scaler``      up, down and adaptively, for any ``SpecCluster``
* ``retire``      which workers go, whether their data fits elsewhere, and the move
* ``supervisor``  as many workers as asked for, also when some are lost

Used by the host process, and by ``controller`` for a cluster object of the notebook's own process.
"""
