"""Runs functions and cells of the notebook on a worker: ``runtime`` one task, ``batch`` the items of a map.

``outcome`` takes down what an item returns and ``errors`` what it raises; ``output`` sends what it prints; ``saving``
writes values to files, which are as ``file`` says. Put on
workers by ``tasks.runtime``; imported by ``tasks`` for the types that come back.
"""
