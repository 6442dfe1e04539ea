"""How the line of a magic becomes words, and a placement becomes a line. No shell, no cluster."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import ArgumentError, MoorageError
from moorage.jupyter.magics import arguments
from moorage.jupyter.magics.cluster import line as cluster_line
from moorage.jupyter.magics.line import QUOTED, split, words
from moorage.jupyter.magics.parser import HelpRequested
from moorage.jupyter.magics.submit_line import submit
from moorage.magic import magic_for, quote
from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers

printable = st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"], include_characters=" "), min_size=1)
hostile = st.sampled_from(
    [
        "two words",
        "it's",
        'say "hi"',
        "<img src=x onerror=alert(1)>",
        "--force",
        "-h",
        "a,b",
        "{x}",
        "$HOME",
        "x;",
        "#1",
        "what?",
        "back\\slash",
        "=",
        "--workers=a",
        "ünïcode 雪",
        "for",
        "'",
        "\\",
    ]
)
worker_names = st.lists(printable | hostile, min_size=1, max_size=4, unique=True).map(tuple)
identifiers = st.lists(st.sampled_from(["big", "x", "_y1", "größe"]), min_size=1, max_size=3, unique=True)


@given(printable | hostile)
def test_a_quoted_word_reads_back_as_one_word_of_text(name):
    (word,) = words(quote(name))
    assert word.text == name
    assert [argument.removeprefix(QUOTED) for argument in split(quote(name))] == [name]


@given(st.text(st.characters(categories=["Cc", "Zl", "Zp"]), min_size=1), printable)
def test_what_does_not_fit_on_a_line_is_refused(control, name):
    with pytest.raises(ArgumentError, match="cannot be written"):
        quote(name + control)


@given(identifiers, worker_names, st.booleans(), st.booleans())
def test_a_pin_written_as_a_line_reads_back(names, workers, others, force):
    line = magic_for(names, OnWorkers(workers, allow_other_workers=others), force=force)
    magic, _, rest = line.partition(" ")
    assert magic == "%pin"
    read = arguments.pin(rest)
    assert read.names == names
    assert tuple(read.workers) == workers
    assert read.allow_other_workers == others
    assert read.force == force


@given(identifiers, worker_names)
def test_a_spread_written_as_a_line_reads_back(names, workers):
    magic, _, rest = magic_for(names, OnWorkers(workers, each=False)).partition(" ")
    read = arguments.scatter(rest)
    assert magic == "%scatter"
    assert read.names == names
    assert tuple(read.workers or ()) == workers


@pytest.mark.parametrize(
    ("placement", "line"),
    [
        (Everywhere(), "%broadcast big x"),
        (OnePerHost(), "%broadcast big x --per-host"),
        (Anywhere(), "%scatter big x"),
        (Anywhere(copies=2), "%scatter big x --copies 2"),
        (OnWorkers(("alice", "tls://127.0.0.1:8786")), "%pin big x --workers alice tls://127.0.0.1:8786"),
        (None, "%release big x"),
    ],
)
def test_each_placement_has_its_magic(placement, line):
    assert magic_for(["big", "x"], placement) == line


@pytest.mark.parametrize(
    "line",
    [
        "x --workers alice bob",
        "x --workers alice,bob",
        "x --workers=alice,bob",
        "x, --workers 'alice' , \"bob\"  # both",
    ],
)
def test_workers_are_separated_by_spaces_or_commas(line):
    assert arguments.pin(line).workers == ["alice", "bob"]


def test_a_comma_inside_quotes_belongs_to_the_name():
    assert arguments.pin("x --workers 'Smith, John' bob").workers == ["Smith, John", "bob"]


def test_a_quoted_dash_is_text_and_not_an_option():
    assert arguments.pin("x --workers '--force'").workers == ["--force"]
    assert arguments.pin("x --workers ''").workers == [""]
    assert not arguments.pin("x --workers '--force'").force


def test_whole_words_come_from_the_notebook():
    notebook = {"n": 4, "team": ["alice", "two words"], "who": "--force"}
    assert cluster_line.cluster("scale $n", notebook).n == 4
    assert cluster_line.cluster("scale {n}", notebook).n == 4
    assert arguments.pin("x --workers $team carol", notebook).workers == ["alice", "two words", "carol"]
    assert arguments.pin("x --workers={who}", notebook).workers == ["--force"]


@pytest.mark.parametrize("word", ["{n + 1}", "{__import__('os').getpid()}", "$n.real", "${n}", "{n}{n}"])
def test_an_expression_is_refused_and_not_evaluated(word):
    with pytest.raises(ArgumentError):
        arguments.pin(f"x --workers {word}", {"n": 1})


@pytest.mark.parametrize("word", ["'{n}'", '"$n"', "\\$n"])
def test_a_quoted_reference_is_text(word):
    assert arguments.pin(f"x --workers {word}", {"n": 1}).workers in (["{n}"], ["$n"])


def test_an_unknown_or_unfit_variable_is_named():
    with pytest.raises(ArgumentError, match="'m'"):
        split("$m", {"n": 1})
    with pytest.raises(ArgumentError, match="dict"):
        split("$n", {"n": {}})


@pytest.mark.parametrize("line", ["x --workers 'alice", 'x --workers "', "x \\"])
def test_an_open_quote_is_reported(line):
    with pytest.raises(ArgumentError, match="cannot be read"):
        arguments.pin(line)


@given(st.text())
def test_any_line_is_either_read_or_refused(line):
    for reader in (arguments.pin, cluster_line.cluster, arguments.scatter, submit):
        with suppress(HelpRequested, MoorageError):
            reader(line)
