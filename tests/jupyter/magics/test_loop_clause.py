import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import ArgumentError
from moorage.jupyter.magics.loop_clause import read_loop
from moorage.jupyter.magics.submit_line import submit

targets = st.sampled_from(
    ["i", "i,", "(a, b), *c", "[a, b]", "(i)", "*a, b", "x[0]", "x.y", "x[1:][f(k)]", "(a, (b, c)), d"]
)
iterables = st.sampled_from(
    [
        "x",
        "range(3)",
        "a if c else b",
        "lambda: x",
        "lambda n: n if n else x",
        "(y := range(3))",
        "*a, *b",
        "a, b",
        "a,",
        "x or y",
        "not x",
        "x[1:]",
        "{'a#b: ': 1}['a#b: ']",
        "f(a, *b, **c)",
        "[i for i in x if i]",
        "(i for i in x)",
        "'for i in x'",
        "'''a'''",
        "[1,\n 2]",
        "{1: 2}",
        "x  if  y\\\n else z",
        "-x",
        "f'{x!r:>{n}}'",
        "x == y",
    ]
)
spaces = st.sampled_from([" ", "  ", "\t", " \\\n "])
ends = st.sampled_from(["", " ", ":", " :", "  # a comment", ":  # with 'quote and (bracket", " # for i in x"])


@given(targets, spaces, iterables, ends)
def test_a_loop_is_read_as_python_reads_it(target, space, iterable, end):
    loop = read_loop(f"for {target} in{space}{iterable}{end}")
    [expected] = ast.parse(f"for {target} in {iterable}: pass").body
    [read] = ast.parse(f"for {loop.target} in ({loop.iterable}): pass").body
    assert ast.dump(read) == ast.dump(expected)


def test_options_come_before_the_loop():
    read = submit("-o r --near n for(a, b) in [j for j in x if j > 0]  # all of them")
    assert (read.output, read.near, tuple(read.loop)) == (["r"], "n", ("(a, b)", "[j for j in x if j > 0]"))
    assert submit("-o r  # for i in x").loop is None
    assert submit("--workers for:8786 for i in x").workers == ["for:8786"]


@pytest.mark.parametrize(
    ("line", "cell", "whole", "rest"),
    [
        ("for i in \\", "  range(3)\nbody", "for i in \\\n  range(3)", "body"),
        ("for i in [1,", "2,\n3]  # three\nbody()\n", "for i in [1,\n2,\n3]  # three", "body()\n"),
        ("for i in '''a", "b'''\nbody", "for i in '''a\nb'''", "body"),
        ("-o r \\", "for i in x\nbody", "-o r \\\nfor i in x", "body"),
        ("for i in [1,", "body(", "for i in [1,", "body("),
        ("for i in range(3)  # \\", "body", "for i in range(3)  # \\", "body"),
        ("for i in x", "[\nbody", "for i in x", "[\nbody"),
        ("", None, "", None),
    ],
)
def test_a_loop_goes_on_in_the_next_lines_as_in_python(line, cell, whole, rest):
    assert submit.whole(line, cell) == (whole, rest)


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ("for i in range(", "'(' was never closed"),
        ("for i range(3)", "invalid syntax"),
        ("for i in", "invalid syntax"),
        ("for i in x] + [y", "unmatched ']'"),
        ("for i in 'a", "unterminated string literal"),
        ("for f() in x", "cannot assign to function call"),
        ("for i in x: print(i)", "invalid syntax"),
        ("for i in a if i", "more than one plain loop"),
        ("for i in a for j in i", "more than one plain loop"),
        ("for i in await x", "'await' outside function"),
        ("for i in (yield)", "'yield' outside function"),
        ("async for i in a", "an asynchronous loop"),
    ],
)
def test_what_is_no_loop_is_refused_with_python_s_own_reason(clause, reason):
    with pytest.raises(ArgumentError) as caught:
        submit(f"-o r {clause}")
    assert reason in caught.value.message
    assert clause in caught.value.message.replace('\\"', '"')
