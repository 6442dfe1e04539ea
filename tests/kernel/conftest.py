"""The cluster of two workers that the tests of this folder share."""

from tests.two_workers import cluster, shared

__all__ = ["cluster", "shared"]
