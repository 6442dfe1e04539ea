"""Whether anything has changed that a function holds."""

import functools
import random
import re

import numpy as np
import pytest

from moorage.worker.holdings import Holdings
from tests.tasks.tools import notebook

SOURCE = """
import functools
numbers, names, seen, pair = [1, [2]], {"a": {"b": 1}}, {1, 2}, ([3],)
array, count = np.zeros(4), 0
class Thing:
    shared = [1]
    def __init__(self): self.parts = []
    @property
    def size(self): return len(self.parts)
    @staticmethod
    def make(): return Thing()
thing = Thing()
def helper(x, default=[], *, named={}): return count, default, named
partial = functools.partial(helper, [1])
def closed():
    inner = 0
    def function(): return numbers, names, seen, pair, array, thing, helper, partial, inner
    def set_inner():
        nonlocal inner
        inner += 1
    return function, set_inner
function, set_inner = closed()
"""
CHANGES = [
    "numbers.append(3)", "numbers[1].append(3)", "numbers.reverse()", "names['a']['b'] = 2", "names['a']['b'] = True",
    "names['c'] = names.pop('a')", "seen.add(3)", "seen.discard(1); seen.add(True)", "pair[0].append(4)",
    "array[1] = 1",
    "array[0] = -0.0", "array.setflags(write=False)", "array.shape = 2, 2", "globals()['numbers'] = [1, [2]]",
    "globals()['count'] = 1", "Thing.shared.append(2)", "Thing.other = 1", "Thing.__init__.extra = 1", "del Thing.size",
    "thing.parts.append(1)", "thing.new = 1", "thing.__class__ = type('Other', (), {})", "helper.calls = 1",
    "helper.__defaults__[0].append(1)", "helper.__defaults__ = ([],)", "helper.__kwdefaults__['named'][1] = 1",
    "helper.__code__ = (lambda x, default=0, *, named=0: 1).__code__", "partial.args[0].append(2)", "partial.note = 1",
    "set_inner()", "function.__dict__ = {'a': 1}",
]  # fmt: skip


def test_what_has_not_changed_is_found_unchanged():
    namespace = notebook(SOURCE)
    holdings = Holdings(namespace["function"])
    assert holdings.complete
    namespace["function"]()
    assert namespace["thing"].size == 0
    assert holdings.unchanged()


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(change):
    namespace = notebook(SOURCE)
    holdings = Holdings(namespace["function"])
    exec(change, namespace)
    assert not holdings.unchanged()


class Raises:
    __module__ = []  # noqa: RUF012

    def __getattr__(self, name):
        raise RuntimeError(name)


class Slots:
    __slots__ = ("a",)


@pytest.mark.parametrize(
    "held",
    [random.Random(1), np.random.default_rng(1), iter([1]), Slots(), Raises(), np.zeros(3, object), np.zeros(100_000),
     np.zeros(2, "i4,f4")[0], bytearray(3), functools.cache(lambda: 1), type("Meta", (type,), {})("Kind", (), {})],
    ids=lambda held: type(held).__name__,
)  # fmt: skip
def test_what_may_change_unseen_is_never_said_to_be_unchanged(held):
    assert not Holdings([held]).unchanged()


def test_what_nobody_can_change_and_what_can_be_imported_is_passed_over():
    fixed = [1, "a", None, 1.5, re.compile("a"), np.float64(1), np.dtype("f4"), np.sin, len, re, re.match, range(3)]
    holdings = Holdings(tuple(fixed))
    assert holdings.complete
    assert not holdings._checks
    shared = random.Random(1)
    assert Holdings((shared,), [shared]).unchanged()
