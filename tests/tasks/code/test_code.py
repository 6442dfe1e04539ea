"""Code on its way to a worker: what it is called there, its lines, and what comes along that cloudpickle leaves out."""

import functools
import inspect
import linecache
import sys
import threading
import traceback
import types
import weakref

import pytest

from moorage.errors import UnpicklableError
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.pickling.code_pickler import Capture, Notebook
from moorage.pickling.sources import lines_of
from moorage.tasks.references import dumps
from moorage.worker.unpickling import code as worker_code
from moorage.worker.unpickling.code import Sources, ours
from moorage.worker.unpickling.references import loads

CELL = """\
import functools

def fail(n):
    # of no use
    return [
        1 / n,
    ]

class Model:
    def go(self):
        return (lambda: fail(0))()

nested = (lambda: lambda n: n / 0)()
"""


@pytest.fixture
def cell():
    """The functions of a cell, whose lines only the notebook has; the worker forgets them at the end."""
    name = "cell-17-a0b1"
    linecache.cache[name] = (len(CELL), None, CELL.splitlines(keepends=True), name)
    namespace = {"__name__": "__main__"}
    exec(compile(CELL, name, "exec"), namespace)
    yield namespace
    linecache.cache.pop(name, None)


def on_a_worker(obj, **options):
    """Pickle `obj` here, and make it again where nobody has the lines of the cell."""
    payload = dumps(obj, ValueRegistry(), **options)
    for name in [name for name in linecache.cache if name.startswith("cell-")]:
        del linecache.cache[name]
    return loads(payload.data, (), ours())


def shown(function, *args):
    try:
        function(*args)
    except Exception:
        return traceback.format_exc()
    raise AssertionError("it did not raise")


def test_a_traceback_on_the_worker_shows_file_line_and_source(cell):
    text = shown(on_a_worker(cell["fail"]), 0)
    assert 'File "cell-17-a0b1", line 6, in fail\n    1 / n,' in text


def test_methods_lambdas_and_nested_functions_show_theirs(cell):
    text = shown(on_a_worker(cell["Model"]().go))
    assert "return (lambda: fail(0))()" in text
    assert "1 / n" in text
    linecache.cache["cell-17-a0b1"] = (len(CELL), None, CELL.splitlines(keepends=True), "cell-17-a0b1")
    assert "nested = (lambda: lambda n: n / 0)()" in shown(on_a_worker(cell["nested"]), 1)


def test_the_source_of_a_function_can_be_had_on_the_worker(cell):
    source = inspect.getsource(on_a_worker(cell["fail"]))
    assert source == "def fail(n):\n    # of no use\n    return [\n        1 / n,\n    ]\n"


def test_the_source_of_a_function_ends_where_lines_that_were_not_sent_begin(cell):
    copies = on_a_worker([cell["fail"], cell["Model"].go])
    assert inspect.getsource(copies[0]).endswith("    ]\n")
    assert inspect.getsource(copies[1]) == "    def go(self):\n        return (lambda: fail(0))()\n"


def test_code_without_lines_keeps_its_name():
    namespace = {}
    exec(compile("def fail(): raise OSError", "nowhere", "exec"), namespace)
    assert 'File "nowhere", line 1, in fail' in shown(on_a_worker(namespace["fail"]))


def test_a_file_that_the_worker_has_is_read_there(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("a = 1\n\ndef fail():\n    raise OSError\n")
    sources = Sources()
    sources.keep(str(path), 3, "def fail():\n    raise OSError\n")
    assert linecache.cache[str(path)][1] is not None  # read from the file, which is the same
    sources.keep(str(path), 3, "def fail():\n    raise ValueError\n")
    assert "".join(linecache.getlines(str(path))) == "a = 1\n\ndef fail():\n    raise ValueError\n"
    linecache.cache.pop(str(path))


def test_lines_that_nobody_needs_are_forgotten(monkeypatch):
    monkeypatch.setattr(worker_code, "MOST", 3)
    sources = Sources()
    for number in range(10):
        sources.keep(f"cell-many-{number}", 2, "one line\n")
    kept = [name for name in linecache.cache if name.startswith("cell-many-")]
    assert kept == ["cell-many-7", "cell-many-8", "cell-many-9"]
    assert linecache.getlines(kept[0]) == ["...\n", "one line\n"]
    for name in kept:
        del linecache.cache[name]


def test_only_the_lines_of_the_code_itself_are_sent(cell):
    assert lines_of(cell["fail"].__code__) == (3, "".join(CELL.splitlines(keepends=True)[2:7]))


# ---- what cloudpickle leaves out


def test_a_function_behind_a_cache_gets_an_empty_one():
    main = {"__name__": "__main__"}
    exec(
        "import functools\n@functools.lru_cache(maxsize=50)\n"
        "def fib(n):\n    'Sums up.'\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(30)",
        main,
    )
    fib = on_a_worker(main["fib"])
    assert fib.cache_info() == (0, 0, 50, 0)
    assert (fib(30), fib.__name__, fib.__doc__) == (832040, "fib", "Sums up.")
    assert fib.__wrapped__.__globals__["fib"] is fib
    assert on_a_worker(functools.lru_cache).__name__ == "lru_cache"


def test_a_cached_property_and_a_generic_function_travel():
    class Model:
        @functools.cached_property
        def answer(self):
            return [42]

    @functools.singledispatch
    def kind(x):
        return "any"

    kind.register(int, lambda x: "int")
    model = on_a_worker(Model())
    assert model.answer is model.answer
    assert on_a_worker(kind)(1) == "int"


def test_functions_share_the_variables_of_the_function_around_them():
    def counter():
        n = 0

        def add():
            nonlocal n
            n += 1
            return add if n < 3 else n

        def get():
            return n if n < 9 else unbound

        if n:
            unbound = 0
        return add, get

    add, get = on_a_worker(counter())
    assert add() is add
    assert (get(), add()(), get()) == (1, 3, 3)


def test_what_only_the_body_of_a_nested_class_reads_comes_along():
    main = {"__name__": "__main__", "far": 7}
    exec(
        "def make():\n    class Inner:\n        value = far\n        pair = [far for _ in range(2)]\n    return Inner",
        main,
    )
    assert on_a_worker(main["make"])().pair == [7, 7]


# ---- names of the notebook


def functions(namespace):
    exec("def read(i): return far + i\nclass Model:\n    def read(self, i): return far + i", namespace)
    return namespace


def test_what_the_notebook_does_not_have_is_looked_up_for_its_own_functions_only():
    own, other = functions({"__name__": "__main__"}), functions({"__name__": "__main__"})
    notebook = Notebook(own, {"far": 40}.__getitem__)
    assert on_a_worker([own["read"]], notebook=notebook)[0](2) == 42
    assert on_a_worker({"model": own["Model"]()}, notebook=notebook)["model"].read(2) == 42
    with pytest.raises(NameError, match="far"):
        on_a_worker(other["read"], notebook=notebook)(2)


def test_what_code_takes_along_is_noted_however_it_is_reached():
    main = {"__name__": "__main__", "near": [1]}
    exec(
        "def default(x=near): pass\n"
        "class Model:\n    table = [3]\n    def read(self): return near\n"
        "def outer():\n    inside = [2]\n    return lambda: inside\nclosure = outer()",
        main,
    )
    found = []
    dumps(
        [main["default"], {"m": main["Model"]()}, main["closure"]],
        ValueRegistry(),
        notebook=Notebook(main),
        captured=found,
    )
    assert Capture("x", [1]) in found
    assert Capture("near", [1], own=True) in found
    assert Capture("inside", [2]) in found
    assert Capture("Model.table", [3]) in found


def test_a_module_of_another_name_space_owns_nothing():
    run = types.ModuleType("__main__")
    exec("x = [3]\ndef helper(i): return i * x[0]", vars(run))
    found = []
    main = {"__name__": "__main__", "x": [0.0] * 1000, "helper": run.helper}
    copy = on_a_worker(main["helper"], notebook=Notebook(main), captured=found)
    assert copy(2) == 6
    assert found == [Capture("x", [3])]


def test_functions_of_importable_modules_go_by_name():
    found = []
    assert on_a_worker(traceback.format_exc, captured=found) is traceback.format_exc
    assert on_a_worker(sys.exit, captured=found) is sys.exit
    assert found == []


# ---- what cannot be pickled


def deep(n, wrap, start):
    return functools.reduce(lambda inner, _: wrap(inner), range(n), start)


@pytest.mark.parametrize(
    "value",
    [
        deep(100_000, lambda inner: [inner], 0),
        deep(100_000, lambda inner: {"a": inner}, 0),
        deep(3000, lambda inner: lambda: inner, 0),
        {"deep": deep(3000, lambda inner: functools.partial(lambda f: f, f=inner), int)},
    ],
    ids=["lists", "dicts", "closures", "partials"],
)
def test_what_is_nested_too_deeply_is_refused_in_words(value):
    with pytest.raises(UnpicklableError, match="value cannot leave the notebook: it is nested too deeply"):
        dumps((lambda value: 1, (value,), {}), ValueRegistry())


def test_what_refers_to_itself_travels():
    box = {}
    box["own"] = lambda: box
    copy = on_a_worker(box)
    assert copy["own"]() is copy


LOCK = threading.Lock()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b": LOCK}]}, r"value\['a'\]\[1\]\['b'\] \(of type lock\)"),
        (functools.partial(print, LOCK), r"value\.args\[0\] "),
        (type("Local", (), {"guard": LOCK}), r"value\.guard "),
        (type("Local", (), {"guard": LOCK})(), r"value\.guard "),
        (type("Local", (), {"go": property(lambda self, lock=LOCK: lock)}), "lock "),
        ([weakref.WeakKeyDictionary(), LOCK], r"value\[1\] "),
    ],
    ids=range(6),
)
def test_the_path_leads_through_whatever_holds_it(value, path):
    with pytest.raises(UnpicklableError, match=f"^{path}"):
        dumps((lambda value: 1, (value,), {}), ValueRegistry())
