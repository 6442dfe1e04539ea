"""The magic `%why`: what is the matter with a variable, an item or a worker, and what helps.

* ``line``      what its line says
* ``commands``  what it does
"""
