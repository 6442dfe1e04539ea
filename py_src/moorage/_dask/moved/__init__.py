"""Bytes that have moved: the logs that workers keep, ``logs``, and what shuffles send, ``shuffles``."""
