"""Items of a batch are as alone as tasks of their own: the outcome is that of `Client.map`, whatever the batch size."""

import tempfile
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from moorage.tasks.options import Options
from tests.helpers import eventually
from tests.tasks.tools import notebook, text

ACTS = {
    "the item": "item.append(len(item)) if isinstance(item, list) else None",
    "an entry of the item": "if isinstance(item, dict): item['n'] = item.get('n', 0) + 1",
    "a list": "kept.append(i)",
    "a dict": "cache[i] = len(cache)",
    "an order": "first = next(iter(order)); order[first] = order.pop(first)",
    "a set": "seen.add(i)",
    "an array": "buffer[i % 4] += i + 1",
    "a view": "view[:] = i",
    "an attribute": "thing.n += i",
    "an object's list": "thing.found.append(i)",
    "a global": "global count; count = count + 1",
    "a name": "globals()['made'] = globals().get('made', 0) + 1",
    "a default": "default.append(i)",
    "a closure": "nonlocal inner; inner += 1",
    "a closure's list": "held.append(i)",
    "the function": "helper.calls = getattr(helper, 'calls', 0) + 1",
    "a generator of numbers": "drawn = random.integers(1000)",
    "an iterator": "drawn = next(numbers)",
    "nothing": "pass",
}
RETURNS = {
    "the item": "item",
    "what was kept": "kept, cache, list(order.items()), sorted(seen), buffer, view, count, globals().get('made')",
    "the list itself": "kept",
    "the buffer": "buffer",
    "the object": "thing",
    "the default": "(default, held)",
    "a function": "lambda: (i, count, list(kept), inner, list(held), buffer.tolist())",
    "a function of the notebook": "helper",
    "an own class": "type('Own', (), {'n': i, 'get': lambda self: (self.n, count)})()",
    "what it drew": "(i, locals().get('drawn'))",
}
SOURCE = """
kept, cache, order, seen, count = [], {{}}, {{"a": 1, "b": 2}}, set(), 0
buffer = np.zeros(4)
view = np.zeros((4, 4))[::2, 1]
random, numbers = np.random.default_rng(1), iter(range(100))

class Thing:
    def __init__(self): self.n, self.found = 0, []

thing = Thing()

def helper(): return (count, kept, getattr(helper, "calls", 0))

def make():
    inner, held = 0, []
    def function(item, default=[]):
        nonlocal inner
        {declared}
        i = item if isinstance(item, int) else len(item)
        {acts}
        return {result}
    return function
"""
ITEMS = {
    "numbers": lambda n: list(range(n)),
    "lists": lambda n: [[k] for k in range(n)],
    "one list": lambda n: [[1, 2]] * n,
    "one dict": lambda n: [{"k": 1}] * n,
    "dicts of one list": lambda n: [{"l": part, "again": part} for part in [[1]] * n],
}


def function_of(acts, result):
    lines = [line for act in acts for line in ACTS[act].splitlines()]
    declared = ["global count"] if "a global" in acts else []
    body = [line.removeprefix("global count; ").removeprefix("nonlocal inner; ") for line in lines]
    source = SOURCE.format(declared="\n        ".join(declared), acts="\n        ".join(body), result=RETURNS[result])
    return notebook(source)["make"]()


def seen(value):
    """Return what can be seen of a result, as plain values."""
    if isinstance(value, types.FunctionType):
        return seen(value())
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [seen(part) for part in value]
    if hasattr(value, "get") and not isinstance(value, dict):
        return seen(value.get())
    return seen(vars(value)) if hasattr(value, "__dict__") else value


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    acts=st.lists(st.sampled_from(sorted(ACTS)), min_size=1, max_size=5, unique=True),
    result=st.sampled_from(sorted(RETURNS)),
    items=st.sampled_from(sorted(ITEMS)),
    n=st.integers(1, 7),
    batch_size=st.sampled_from([None, 1, 2, 3, 7]),
)
@example(acts=["the item"], result="the item", items="one list", n=4, batch_size=4)
@example(acts=["an entry of the item"], result="the item", items="one dict", n=4, batch_size=3)
@example(acts=["an array"], result="the buffer", items="numbers", n=4, batch_size=4)
def test_whatever_the_batch_size_the_outcome_is_that_of_client_map(cluster, acts, result, items, n, batch_size):
    made = ITEMS[items](n)
    expected = cluster.client.gather(cluster.client.map(function_of(acts, result), made, pure=False))
    results = cluster.map(function_of(acts, result), made, batch_size=batch_size)
    assert seen(results.gather()) == seen(expected)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_what_items_do_to_a_class_is_for_themselves(cluster, batch_size):
    function = notebook(
        "class Counter:\n    n = 0\n"
        "def function(i):\n"
        "    Counter.n += 1\n"
        "    Counter.added = getattr(Counter, 'added', 0) + 1\n"
        "    return Counter.n, Counter.added"
    )["function"]
    assert cluster.map(function, range(4), batch_size=batch_size).gather() == [(1, 1)] * 4


def test_a_class_of_the_notebook_stays_as_it_is_when_objects_of_it_come_home(cluster):
    namespace = notebook("factor = 2\nclass Model:\n    n = 0\n    def scaled(self): return factor * self.w")
    exec("def fitted(i):\n    Model.n += 1\n    model = Model()\n    model.w = i\n    return model", namespace)
    models = cluster.map(namespace["fitted"], range(3)).gather()
    assert all(type(model) is namespace["Model"] for model in models)
    namespace["factor"] = 10
    assert [model.scaled() for model in models] == [0, 10, 20]
    assert namespace["Model"].n == 0


@pytest.mark.parametrize("batch_size", [1, 4, None])
@pytest.mark.parametrize(
    "body",
    [
        "def model(x): return x * k\nmodel",
        "lambda x: x * k",
        "import functools\nfunctools.partial(int.__mul__, k)",
        "class Net:\n    def __call__(self, x): return x * k\nNet()",
        "factor = k\nscaled",
    ],
)
def test_functions_that_a_cell_returns_have_the_globals_of_their_own_item(cluster, batch_size, body):
    namespace = notebook("factor = 0\ndef scaled(x): return x * factor")
    options = Options(batch_size=batch_size)
    results = cluster.submitter.cell_map(body, "k", "range(4)", namespace, options)
    assert [function(10) for function in results] == [0, 10, 20, 30]


def test_an_attempt_finds_item_and_function_as_they_were_sent(cluster):
    function = notebook(
        "tried = []\n"
        "def function(item, path):\n"
        "    tried.append(1); item.append(1)\n"
        "    open(path, 'a').write('x')\n"
        "    if len(open(path).read()) < 3: raise OSError('not yet')\n"
        "    return len(tried), item"
    )["function"]
    with tempfile.TemporaryDirectory() as folder:
        assert cluster.map(function, [[]], path=f"{folder}/tries", retries=3).gather() == [(1, [1])]


def test_a_warning_is_not_said_again_for_each_item(cluster):
    function = notebook("import warnings\ndef function(i):\n    warnings.warn('careful')\n    return i")["function"]
    reports = []
    options = Options(on_report=reports.append, batch_size=50, workers=("alice",))
    assert cluster.submitter.map(function, range(50), options=options).gather() == list(range(50))
    eventually(lambda: "careful" in text(reports, "stderr"))
    assert text(reports, "stderr").count("UserWarning: careful") == 1
