"""The command line, ``python -m moorage`` and ``dask moorage``: looks after kept clusters, finds what is wrong here.

``commands`` reads the line; ``doctor`` goes through the checks, of which each module covers one subject and says what
would help. What a cluster does is the controller's and ``deploy``'s business. Nothing imports this room.
"""
