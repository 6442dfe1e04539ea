"""The cluster of two workers that the tests of this folder share."""

from tests.two_workers import alice_and_bob, cluster

__all__ = ["alice_and_bob", "cluster"]
