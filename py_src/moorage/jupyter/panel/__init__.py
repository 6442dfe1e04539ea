"""The kernel's end of the panel.

* ``comm``       the comms with browser tabs
* ``publisher``  who listens, and what they are sent; ``state`` is what they are shown
* ``requests``   what a panel can ask for; ``shapes`` checks it, ``background`` runs what takes long
* ``candidates``, ``sizes``  the notebook's variables that could be placed
* ``ledger``     what fills the workers' memory without being placed

The messages are in ``moorage.wire.panel``. Imported by ``jupyter.extension`` and ``jupyter.board``.
"""
