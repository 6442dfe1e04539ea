"""A placed value as it is written once: its format, the memory it lies in, how it travels under a key, and its parts.

Shipped by value to workers that do not have moorage: nothing here imports the rest of the package.
"""
