"""What the tests of this folder share: the cluster of two workers."""

from tests.two_workers import alice_and_bob, cluster

__all__ = ["alice_and_bob", "cluster"]
