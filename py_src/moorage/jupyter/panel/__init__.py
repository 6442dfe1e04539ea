"""The kernel's end of the panel.

* ``comm``       the comms with browser tabs
* ``publisher``  who listens, and what they are sent; ``state`` is what they are shown
* ``requests``   what a panel can ask for; ``shapes`` checks it, ``background`` runs what takes long, ``sending`` shows
  what that is on its way; ``questions`` answers what is asked about one thing, ``parts`` what is asked of its parts
* ``assistants`` what they are told, and what they want changed: the user is asked
* ``candidates``, ``sizes``  the notebook's variables that could be placed
* ``ledger``     what fills the workers' memory without being placed

The messages are in ``moorage.wire.panel``. Imported by ``jupyter.extension`` and ``jupyter.board``.
"""
