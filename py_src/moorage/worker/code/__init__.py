"""Serves the user's modules to imports on a worker, as the notebook has them.

* ``versions`` which versions of the code this process knows, and which one its imports see
* ``version``  the modules of one version
* ``loading``  makes a module out of its text
* ``environment``  environment variables of the notebook
* ``plugin``   puts all that into a worker process

Shipped by value by ``kernel.code.sending``, when the notebook has modules of its own.
"""
