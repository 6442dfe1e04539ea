import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import ArgumentError
from moorage.pickling.cell_compiler import compile_cell
from moorage.worker.unpickling.cell import Cell


def run(source, namespace=None, *item, names=(), **options):
    return Cell(compile_cell(source, **options).code, namespace or {}, names)(*item)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 1", 2),
        ("x = 3\nx * 2", 6),
        ("x = 3", None),
        ("", None),
        ("# nothing", None),
        ("def f(n): return n and n + f(n - 1)\nf(4)", 10),
        ("class A:\n    b = 7\nA.b", 7),
        ("import math\n[math.sqrt(i) for i in (4, 9)]", [2.0, 3.0]),
        ("data = [1]\ndata = data + data\ndel data\n'end'", "end"),
        ("global g\ng = 4\ng", 4),
        ("try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    r = str(e)\nr", "division by zero"),
        ("import asyncio\nawait asyncio.sleep(0, 'slept')", "slept"),
        ("async def f(): return 5\nsum([await f() for _ in range(3)])", 15),
    ],
)
def test_a_body_has_the_value_of_its_last_expression(source, value):
    assert run(source) == value


@pytest.mark.parametrize(
    ("target", "item", "value"),
    [
        ("i", 3, {"i": 3}),
        ("a, b", (1, 2), {"a": 1, "b": 2}),
        ("(a, (b, *c))", (1, (2, 3, 4)), {"a": 1, "b": 2, "c": [3, 4]}),
        ("d['k']", 5, {"d": {"k": 5}}),
        ("[a]", [1], {"a": 1}),
    ],
)
def test_any_target_that_python_allows_takes_the_item(target, item, value):
    names = ", ".join(f"{n}={n}" for n in value)
    assert run(f"dict({names})", {"d": {}}, item, target=target) == value


@pytest.mark.parametrize("target", ["1", "f()", "a = b", "i; j", "a\nb", "x +"])
def test_what_cannot_be_assigned_to_is_no_target(target):
    with pytest.raises(ArgumentError, match="cannot be the variable of a loop"):
        compile_cell("1", target=target)


def test_each_call_starts_from_what_was_captured():
    cell = Cell(compile_cell("n += i\nextra = n\nn", target="i").code, {"n": 10})
    assert [cell(1), cell(2), cell(1)] == [11, 12, 11]
    assert "extra" in cell.namespace
    cell(0)
    assert cell.namespace["extra"] == 10


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("f(x)", {"f", "x"}),
        ("x = 1\nx + y", {"y"}),
        ("x = x + 1", {"x"}),
        ("x += 1", {"x"}),
        ("if a:\n    x = 1\nx", {"a", "x"}),
        ("for k in ks:\n    pass\nk", {"ks", "k"}),
        ("for f, (g, *h) in fs:\n    if f: break\n    print(f, g, h)", {"fs", "print"}),
        ("if a:\n    x = 1\nelse:\n    x = y\nx", {"a", "y"}),
        ("while a:\n    x = 1\n    if x: continue", {"a"}),
        ("try:\n    x = f()\nexcept E as e:\n    raise G from e\nelse:\n    x\nfinally:\n    z", {"f", "E", "G", "z"}),
        ("match m:\n    case [p, *_]: p\n    case _: q", {"m", "p", "q"}),
        ("for i in n:\n    match i:\n        case 1: break", {"n"}),
        ("def h(n):\n    f = 1\n    return lambda: f + n", set()),
        ("def g(n):\n    return n + outer\ng(1)", {"outer"}),
        ("[v for v in vs if v > low]", {"vs", "low"}),
        ("class A(Base):\n    z = other", {"Base", "__name__", "other"}),
        ("import numpy as np\nnp.mean(a.b)", {"a"}),
        ("with open(p) as f:\n    t = f.read()\nt", {"open", "p"}),
        ("(w := 3)\nw", set()),
        ("d[k] = v", {"d", "k", "v"}),
        ("f'{a:{b}}'", {"a", "b"}),
    ],
)
def test_only_what_comes_from_the_notebook_is_read(source, reads):
    assert set(compile_cell(source).reads) == reads


@pytest.mark.parametrize(
    ("names", "source", "value"),
    [
        (("a",), "a = 4", 4),
        (("a",), "a = 4\n5", 5),
        (("a",), "1; b = 2", None),
        (("a", "b"), "a = 1\nb = 2", (1, 2)),
        (("a", "b"), "[7, 8]", (7, 8)),
    ],
)
def test_without_a_last_expression_the_named_variables_are_the_result(names, source, value):
    assert run(source, names=names) == value


def test_names_that_get_no_value_are_named():
    with pytest.raises(NameError, match=r"does not assign b; end it with a line such as: a, b"):
        run("a = 1", names=("a", "b"))
    with pytest.raises(ValueError, match="3 values for 2 names: a, b"):
        run("1, 2, 3", names=("a", "b"))


@given(st.integers(1, 5), st.integers(0, 5))
def test_errors_have_the_line_of_the_notebook(first_line, above):
    source = "ok = 1\n" * above + "boom()"
    with pytest.raises(NameError) as caught:
        run(source, filename="notebook cell", first_line=first_line)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno) == ("notebook cell", first_line + above)


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("x = 1\nif True print(x)", 3, "invalid syntax"),
        ("x = (\n1", 2, "never closed"),
        ("return 5", 2, "the value of its last expression is its result"),
        ("x = 1\nyield x", 3, "not a generator"),
        ("nonlocal x", 2, "no enclosing function"),
        ("a = 1\n%time a", 3, "cannot run on a worker"),
        ("!ls", 2, "cannot run on a worker"),
        ("break", 2, "outside loop"),
        ("a?", 2, "cannot run on a worker"),
    ],
)
def test_what_a_cell_cannot_have_is_refused_at_its_line_with_the_reason(source, line, words):
    with pytest.raises(SyntaxError, match=words) as caught:
        compile_cell(source, "notebook cell", first_line=2)
    assert caught.value.lineno == line
    assert caught.value.text.strip() == source.splitlines()[line - 2].strip()
    assert caught.value.filename == "notebook cell"


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("df.query('a > @limit and b == 2')", {"df", "limit"}),
        ("df.eval('c = a * @limit', inplace=True)", {"df", "limit"}),
        ("condition = f'a > @limit + {x}'\ndf.query(condition)", {"df", "limit", "x"}),
        ("limit = 2\ndf.query('a > @limit')", {"df"}),
        ("def f(d): return d.query('a > @limit')\nf(df)", {"df", "limit"}),
        ("eval('limit + 1')", {"eval", "limit"}),
        ("exec('y = limit * 2')\ny", {"exec", "limit", "y"}),
        ("ne.evaluate('x * limit')", {"ne", "x", "limit"}),
        ("con.sql('SELECT a FROM df JOIN limit USING (b)').df()", {"con", "df", "limit"}),
        ("eval('limit +')", {"eval"}),
        ("df.mail('me@limit', 'a > @limit')", {"df"}),
        ("df.query('mail == \"me@limit.org\"')", {"df"}),
    ],
)
def test_names_in_texts_that_are_evaluated_are_read(source, reads):
    assert {*compile_cell(source).reads} == reads


@pytest.mark.parametrize("line", ["%time f()", "!ls", "files = !ls", "found = %who_ls", "f?"])
def test_what_only_ipython_reads_is_told_to_be_the_notebooks(line):
    with pytest.raises(SyntaxError, match="magics and shell commands are of the notebook"):
        compile_cell(line)
