"""The magics `%memory` and `%why`: what fills the workers' memory by name, what is the matter with something.

* ``line``      what their lines say
* ``commands``  what they do
"""
