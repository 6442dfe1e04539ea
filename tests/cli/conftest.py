"""What the tests of this folder share: the cluster of two workers."""

from tests.two_workers import cluster, shared

__all__ = ["cluster", "shared"]
