"""The magic `%memory`: what fills the workers' memory, by name.

* ``line``      what its line says
* ``commands``  what it does
"""
