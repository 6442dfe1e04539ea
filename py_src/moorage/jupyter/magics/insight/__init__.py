"""The magics `%memory`, `%why` and `%%locality`: what fills memory, what is the matter, what a cell has moved.

* ``line``      what their lines say
* ``commands``  what `%memory` and `%why` do
* ``locality``  what `%%locality` does
"""
