"""What the tests of this folder share: the cluster of two workers, and the variables of a script."""

import gc
import sys

import pytest

from tests.two_workers import alice_and_bob, cluster

__all__ = ["alice_and_bob", "cluster"]


@pytest.fixture
def names(monkeypatch):
    """The variables of the script."""

    class Main:
        pass

    main = Main()
    monkeypatch.setitem(sys.modules, "__main__", main)
    yield vars(main)
    vars(main).clear()
    gc.collect()  # what is in a cycle would be on the cluster in the next test
