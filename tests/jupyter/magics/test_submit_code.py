"""What code of a notebook means on a worker: its names are the notebook's, and its lines are shown there too."""

import logging
import textwrap

import numpy as np
import pytest

FORMAT = """
def lines(function, *args):
    import traceback
    try:
        function(*args)
    except Exception:
        return traceback.format_exc()
"""


def test_what_a_task_prints_of_an_exception_shows_the_lines_of_the_cell(notebook):
    notebook.run("zero = 0\ndef divide(n):\n    return n / zero")
    shown = notebook.run(
        "%%submit\nimport sys, traceback\ntry:\n    divide(1)  # here\nexcept ZeroDivisionError:\n"
        "    traceback.print_exc(file=sys.stdout)"
    )
    assert "    divide(1)  # here\n" in shown
    assert "    return n / zero\n" in shown
    assert "<dynamic-code>" not in shown


def test_lines_are_shown_by_functions_lambdas_methods_and_classes_however_they_are_run(notebook):
    notebook.run(FORMAT)
    notebook.run(
        textwrap.dedent("""\
        class Model:
            def go(self, n):
                return (lambda: n / 0)()  # in a lambda
            @property
            def bad(self):
                raise OSError  # in a property
        model = Model()
        def outer(n):
            def inner():
                return model.go(n)  # in a nested function
            return inner()
        """)
    )
    cluster = notebook.names["cluster"]
    lines, outer, model = (notebook.names[name] for name in ("lines", "outer", "model"))
    for text in (
        cluster.submit(lines, outer, 1).result(30),
        *cluster.map(lines, [outer, outer], [1, 2]).gather(),
        notebook.value("%%submit\nlines(outer, 1)"),
        *notebook.value("%%submit for i in range(2)\nlines(outer, i)"),
    ):
        assert "(lambda: n / 0)()  # in a lambda" in text
        assert "return model.go(n)  # in a nested function" in text
    assert "raise OSError  # in a property" in cluster.submit(lines, lambda m: m.bad, model).result(30)


def test_a_warning_names_its_line_and_a_debugger_has_it(notebook):
    shown = notebook.run(
        "%%submit\nimport contextlib, sys, warnings\nwarnings.simplefilter('always')\n"
        "with contextlib.redirect_stderr(sys.stdout):\n    warnings.warn('look out')  # there"
    )
    assert ":5: UserWarning: look out" in shown
    assert "warnings.warn('look out')  # there" in shown
    assert "1 / 0  # wrong" in notebook.value(
        "%%submit\nimport inspect\ndef f():\n    1 / 0  # wrong\ninspect.getsource(f)"
    )


def test_a_log_of_a_task_has_the_lines(notebook):
    shown = notebook.run(
        "%%submit\nimport logging, sys\nlogger = logging.getLogger('mine')\n"
        "logger.addHandler(logging.StreamHandler(sys.stdout))\n"
        "try:\n    {}['missing']  # of the dict\nexcept KeyError:\n    logger.exception('not found')"
    )
    assert "{}['missing']  # of the dict" in shown
    assert logging.getLogger("mine").handlers == []


def test_the_globals_of_a_script_that_was_run_are_not_the_notebook_s(notebook, tmp_path):
    script = tmp_path / "helpers.py"
    script.write_text("rate = 3\n\ndef scaled(i):\n    return i * rate\n\ndef wrong():\n    return missing + rate\n")
    notebook.run(f"%run {script}")
    notebook.run("import numpy as np\nrate = np.arange(300_000.0)\nmissing = np.ones(300_000)\n%broadcast rate missing")
    cluster = notebook.names["cluster"]
    keys = cluster["rate"].keys
    assert notebook.value("%%submit for i in range(3)\nscaled(i) + float(rate[i])") == [0.0, 4.0, 8.0]
    assert cluster.map(notebook.names["scaled"], range(3)).gather() == [0, 3, 6]
    assert cluster["rate"].keys == keys
    assert isinstance(cluster.gather("rate"), np.ndarray)
    notebook.run("del missing")
    error, shown = notebook.fail("%%submit\nwrong()")
    assert isinstance(error, NameError)  # as in the notebook: the script has no such name
    assert "return missing + rate" in shown


FAR = """
import dataclasses, functools
def wrap(f):
    @functools.wraps(f)
    def inner(*args): return f(*args)
    return inner
def plain(i): return float(far[i])
@wrap
def wrapped(i): return float(far[i])
@functools.lru_cache
def cached(i): return float(far[i])
class Model:
    def method(self, i): return float(far[i])
    def __call__(self, i): return float(far[i])
    def __getitem__(self, i): return float(far[i])
    def __iter__(self): return iter([float(far[0])])
    @staticmethod
    def static(i): return float(far[i])
    @classmethod
    def of_class(cls, i): return float(far[i])
    @property
    def first(self): return float(far[0])
    @functools.cached_property
    def second(self): return float(far[1])
    class Inner:
        def read(self, i): return float(far[i])
class Child(Model):
    def method(self, i): return super().method(i)
@dataclasses.dataclass
class Record:
    value: float = dataclasses.field(default_factory=lambda: float(far[3]))
def with_class(i):
    class Local:
        value = float(far[i])
    return Local.value
def generate(n):
    for i in range(n): yield float(far[i])
def closing():
    def inner(i): return plain(i)
    return inner
def by_default(i, f=plain): return f(i)
def keyword(i, *, f=lambda i: float(far[i])): return f(i)
def counting(i): return sum(float(far[k]) for k in range(i + 1))
async def waiting(i): return float(far[i])
box = {'plain': plain, 'deep': [{'f': (lambda i: float(far[i]) + 1,)}]}
model, child, part, closed = Model(), Child(), functools.partial(plain, 4), closing()
"""


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("plain(2)", 2.0),
        ("wrapped(2)", 2.0),
        ("cached(2)", 2.0),
        ("model.method(2)", 2.0),
        ("model(2)", 2.0),
        ("model[2]", 2.0),
        ("list(model)", [0.0]),
        ("Model.static(2)", 2.0),
        ("model.of_class(2)", 2.0),
        ("model.first", 0.0),
        ("model.second", 1.0),
        ("Model.Inner().read(2)", 2.0),
        ("child.method(2)", 2.0),
        ("Record().value", 3.0),
        ("with_class(2)", 2.0),
        ("list(generate(2))", [0.0, 1.0]),
        ("closed(2)", 2.0),
        ("by_default(2)", 2.0),
        ("keyword(2)", 2.0),
        ("counting(2)", 3.0),
        ("await waiting(2)", 2.0),
        ("box['plain'](2)", 2.0),
        ("box['deep'][0]['f'][0](2)", 3.0),
        ("part()", 4.0),
        ("list(map(plain, [1, 2]))", [1.0, 2.0]),
        ("[far[i] for i in range(2)]", [0.0, 1.0]),
    ],
)
def test_placed_data_that_only_the_cluster_has_is_found_by(body, value, notebook):
    notebook.run("import numpy as np")
    notebook.run("%%broadcast far\nnp.arange(1000.0)")
    notebook.run(FAR)
    assert "far" not in notebook.names
    assert notebook.value(f"%%submit\n{body}") == value


def test_placed_data_that_only_the_cluster_has_is_found_by_what_is_looped_over(notebook):
    notebook.run("import numpy as np")
    notebook.run("%%broadcast far\nnp.arange(1000.0)")
    notebook.run(FAR)
    assert notebook.value("%%submit for f in [plain, cached, model, model.method, box['plain']]\nf(5)") == [5.0] * 5
    assert notebook.names["cluster"].map(
        lambda f: f(6), [notebook.names["plain"], notebook.names["model"]]
    ).gather() == [
        6.0,
        6.0,
    ]


def test_a_variable_may_have_the_name_of_a_built_in_function(notebook):
    notebook.run("import numpy as np")
    notebook.run("%%broadcast filter\nnp.arange(10.0)")
    notebook.run("def read(i): return float(filter[i])\nclass Model:\n    def read(self): return float(filter[3])")
    assert notebook.value("%%submit\nfloat(filter.sum())") == 45.0
    assert notebook.value("%%submit for i in range(3)\nread(i)") == [0.0, 1.0, 2.0]
    assert notebook.value("%%submit\nModel().read()") == 3.0
    error, _ = notebook.fail("%%submit for x in filter\nx")
    assert "no elements to loop over" in error.message
    notebook.run("%release filter")
    assert notebook.value("%%submit\nlist(filter(None, [0, 1]))") == [1]


def test_loops_are_those_of_python(notebook):
    notebook.run("import numpy as np\na, b, flag, box = [1, 2], (3, 4), False, {}")
    assert notebook.value("%%submit for i in a if flag else b\ni") == [3, 4]
    assert notebook.value("%%submit for i, in zip(a)  # each alone\ni") == [1, 2]
    assert notebook.value("%%submit for (x, y), *rest in [((1, 2), 3, 4)]:\n[x, y, rest]") == [[1, 2, [3, 4]]]
    assert notebook.value("%%submit for i in *a, *b\ni") == [1, 2, 3, 4]
    assert notebook.value("%%submit for box['k'] in a\nbox['k'] * 2") == [2, 4]
    assert notebook.value("%%submit for i in (y := [5, 6])\ni") == [5, 6]
    assert notebook.names["y"] == [5, 6]
    assert notebook.value("%%submit for i in [\n  1,  # one\n  2]\ni") == [1, 2]
    assert notebook.value("%%submit for i in [1,\n2]\ni;") is None
    error, shown = notebook.fail("%%submit for i in [1,\n 2]\nj = i\n1 / (i - 2)")
    assert isinstance(error, ZeroDivisionError)
    assert "4 1 / (i - 2)" in shown


def test_what_a_loop_runs_over_may_be_what_only_the_cluster_has(notebook):
    notebook.run("%%scatter parts\n[1, 2, 3]")
    notebook.run("def double(x): return 2 * x")
    assert notebook.value("%%submit for part in parts\ndouble(part)") == [2, 4, 6]
    assert notebook.value("%%submit for part in (kept := parts)[1:]\ndouble(part)") == [4, 6]
    assert len(notebook.names["kept"]) == 3
    assert notebook.value("%%submit for f in [lambda: sum(parts)]\nf()") == [6]


def test_a_namespace_of_a_script_can_be_used_as_a_dict(notebook, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("rate = 3\ndef scaled(i): return i * rate\n")
    notebook.run(f"import runpy\nran = runpy.run_path({str(script)!r})\nrate = 100\nmade = {{'rate': 5}}")
    notebook.run("exec('def scaled(i): return i * rate', made)")
    assert notebook.value("%%submit\nran['scaled'](2), made['scaled'](2), rate") == (6, 10, 100)


LARGE = """
import functools, numpy as np
huge = np.ones(200_000)
def read(i): return float(huge[i])
class Model:
    table = np.ones(200_001)
    def read(self, i): return float(huge[i])
def default(i, x=np.ones(200_002)): return float(x[i])
def make():
    inner = np.ones(200_003)
    return lambda i: float(inner[i])
class Holder: pass
holder = Holder()
holder.deep = {'a': [np.ones(200_004)]}
model, closed, box = Model(), make(), {'f': read}
part = functools.partial(lambda x, i: float(x[i]), np.ones(200_005))
cached = functools.cache(read)
"""


@pytest.mark.parametrize(
    "body",
    [
        "read(1)",
        "model.read(1)",
        "Model.table[1]",
        "default(1)",
        "closed(1)",
        "holder.deep['a'][0][1]",
        "box['f'](1)",
        "part(1)",
        "cached(1)",
        "list(map(read, [1]))",
        "(lambda: model.read(1))()",
    ],
)
def test_large_values_are_refused_however_they_are_reached(body, notebook):
    notebook.run(LARGE)
    for magic in ("%%submit --no-auto", "%%submit --no-auto for i in range(2)"):
        error, _ = notebook.fail(f"{magic}\n{body}")
        assert "would be copied" in error.message
    assert list(notebook.names["cluster"]) == []


def test_a_large_value_that_a_method_reads_is_placed_under_its_own_name(notebook):
    notebook.run(LARGE)
    notebook.run("del Model.table")
    assert "Placed huge (1.53 MiB)" in notebook.run("%%submit\nmodel.read(1)")
    assert list(notebook.names["cluster"]) == ["huge"]
    notebook.run("huge = np.full(200_000, 7.0)")
    assert notebook.value("%%submit for i in range(2)\nmodel.read(i)") == [7.0, 7.0]


def test_methods_of_a_placed_object_are_the_notebook_s_as_they_are_now(notebook):
    notebook.run("import numpy as np\nscale = 2")
    notebook.run("%%broadcast far\nnp.arange(1000.0)")
    notebook.run(
        "class Model:\n    def __init__(self): self.weights = np.ones(200_000)\n"
        "    def go(self, i): return float(far[i]) * scale + float(self.weights[i])\nmodel = Model()\n%broadcast model"
    )
    assert notebook.value("%%submit\nmodel.go(3)") == 7.0
    notebook.run("scale = 10")
    assert notebook.value("%%submit for i in range(2)\nmodel.go(i)") == [1.0, 11.0]
    assert notebook.value("%%submit\ntype(model) is Model") is True


def test_a_function_that_a_task_returns_knows_its_lines(notebook):
    notebook.run("def make():\n    return lambda n: 1 / n  # in the lambda\nmade = cluster.submit(make).result()")
    _, shown = notebook.fail("made(0)")
    assert "1 / n  # in the lambda" in shown


def test_placed_functions_and_objects_within_containers_run_as_the_notebook_has_them(notebook):
    notebook.run("import numpy as np\nscale = 1")
    notebook.run("%%broadcast far\nnp.arange(1000.0)")
    notebook.run(
        "class Model:\n    def __init__(self, i): self.weights = np.full(200_000, i)\n"
        "    def go(self): return float(far[1] + self.weights[0]) * scale\n"
        "def read(i): return float(far[i]) * scale\n"
        "models = {'a': [Model(1), Model(2)]}\nfunctions = [read, lambda i: read(i) + 1]\n%broadcast models functions"
    )
    cluster = notebook.names["cluster"]
    keys = cluster["models"].keys
    body = "[model.go() for model in models['a']]"
    assert notebook.value(f"%%submit\n{body}") == [2.0, 3.0]
    assert notebook.value(f"%%submit for i in range(2)\n{body}[i]") == [2.0, 3.0]
    assert notebook.value("%%submit\n[f(2) for f in functions]") == [2.0, 3.0]
    assert notebook.value("%%submit for f in functions\nf(2)") == [2.0, 3.0]
    assert cluster["models"].keys == keys
    notebook.run("scale = 10")
    assert notebook.value(f"%%submit\n{body}") == [20.0, 30.0]
    assert notebook.value("%%submit for f in functions\nf(2)") == [20.0, 21.0]


def test_a_small_object_that_is_pinned_is_used_where_it_is(notebook):
    notebook.run("class Small:\n    def go(self): return 5\nsmall = Small()\n%pin small --workers bob")
    code = "%%submit\nfrom distributed import get_worker\n(get_worker().name, small.go())"
    assert [notebook.value(code) for _ in range(3)] == [("bob", 5)] * 3
