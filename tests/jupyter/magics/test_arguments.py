"""What each magic's line means, and what is said of a line that means nothing. No shell, no cluster."""

import re

import pytest

from moorage.errors import ArgumentError, InvalidNameError
from moorage.jupyter.magics import arguments
from moorage.jupyter.magics.cluster import line as cluster_line
from moorage.jupyter.magics.collections import line as collections_line
from moorage.jupyter.magics.insight.line import memory, why
from moorage.jupyter.magics.parser import HelpRequested, Reader
from moorage.jupyter.magics.saving import restore, save
from moorage.jupyter.magics.submit_line import submit
from moorage.jupyter.magics.undo import undo

READERS = {name: one for name, one in vars(arguments).items() if isinstance(one, Reader)}
READERS |= {"cluster": cluster_line.cluster, "submit": submit, "memory": memory, "why": why}
READERS |= {"undo": undo, "save": save, "restore": restore}
READERS |= {"compute": collections_line.compute, "persist": collections_line.persist}


def test_start_with_everything():
    read = cluster_line.cluster("start -n 2 --threads 1 --memory 2GB --names alice,bob --keep --as big --timeout 1m")
    assert read.action == "start"
    assert (read.n_workers, read.threads, read.memory) == (2, 1, "2000000000")
    assert (read.names, read.keep, read.variable, read.timeout) == (["alice", "bob"], True, "big", 60.0)


def test_start_with_nothing_leaves_the_choice_to_the_controller():
    read = cluster_line.cluster("start")
    assert (read.n_workers, read.threads, read.memory, read.names) == (None, None, None, None)
    assert (read.keep, read.variable, read.timeout) == (False, "cluster", None)


def test_memory():
    assert (memory("").by, memory("").all) == ("worker", False)
    assert (memory("--by name --all").by, memory("--by=name").all) == ("name", False)
    with pytest.raises(ArgumentError, match="one of worker, name"):
        memory("--by size")


def test_why():
    assert (why("x").what, why("results[7]").what) == ("x", "results[7]")
    with pytest.raises(ArgumentError, match="NAME"):
        why("")


def test_cluster_alone_shows_the_status():
    assert cluster_line.cluster("").action == "status"


def test_attach_scale_adapt_keep_stop():
    assert cluster_line.cluster("attach tls://host:8786").target == "tls://host:8786"
    assert cluster_line.cluster("scale 4").n == 4
    assert cluster_line.cluster("scale 0").n == 0
    assert cluster_line.cluster("scale --cores 16").cores == 16
    assert cluster_line.cluster("scale --remove alice,bob --force").remove == ["alice", "bob"]
    assert cluster_line.cluster("scale --memory 64GB").total_memory == 64_000_000_000
    adapt = cluster_line.cluster("adapt 2 8")
    assert (adapt.minimum, adapt.maximum) == (2, 8)
    assert cluster_line.cluster("adapt --off").off
    assert cluster_line.cluster("keep").action == "keep"
    assert cluster_line.cluster("leave").action == "leave"
    assert cluster_line.cluster("stop").action == "stop"


def test_placing():
    scatter = arguments.scatter("a b --workers alice --whole --by memory --force --timeout .5")
    assert (scatter.names, scatter.workers, scatter.whole, scatter.by) == (["a", "b"], ["alice"], True, "memory")
    assert (scatter.force, scatter.timeout, scatter.keep_local) == (True, 0.5, False)
    assert arguments.broadcast("a --per-host").per_host
    pin = arguments.pin("a --workers alice --allow-other-workers --keep-local --rebind")
    assert (pin.allow_other_workers, pin.keep_local, pin.rebind, pin.writable) == (True, True, True, False)
    assert all(read("a --workers alice --writable").writable for read in (arguments.pin, arguments.scatter))
    assert arguments.broadcast("a --writable").writable
    assert (arguments.gather("a --map").map, arguments.gather("a").map) == (True, False)
    assert arguments.placement("").names == []
    assert arguments.gather("a;").names == ["a"]
    assert arguments.gather("a@other").names == ["a@other"]


def test_submit_reads_options_and_then_python():
    read = submit("-o results --workers alice for i, name in enumerate(['a', \"it's\"])")
    assert (read.output, read.workers) == (["results"], ["alice"])
    assert read.loop == ("i, name", "enumerate(['a', \"it's\"])")
    assert submit("").loop is None
    assert submit("-o wait_for_it").output == ["wait_for_it"]
    assert submit("--workers 'a for b' for i in x").workers == ["a for b"]
    assert submit("for i in [j for j in x if j]").loop == ("i", "[j for j in x if j]")


def test_submit_with_everything():
    line = (
        "-o r -b --near x --retries 2 --priority -3 --resources GPU=0.5 --limit db=4 disk=1 --timeout 2m --batch-size 7"
    )
    read = submit(f"{line} --no-auto --stale error --no-rerun for i in x")
    assert (read.block, read.near, read.retries, read.priority) == (True, "x", 2, -3)
    assert (read.resources, read.limit) == ([("GPU", 0.5)], [("db", 4), ("disk", 1)])
    assert (read.timeout, read.batch_size, read.auto, read.stale, read.rerun) == (120.0, 7, False, "error", False)


def test_sync_installs_only_if_it_is_told_to():
    assert cluster_line.cluster("sync a").install is None
    assert cluster_line.cluster("sync --install").install == []
    read = cluster_line.cluster("sync a --install b c==1 --folder /d")
    assert (read.modules, read.install, read.folder) == (["a"], ["b", "c==1"], "/d")


def test_submit_with_nothing():
    read = submit("")
    assert (read.block, read.retries, read.resources, read.limit, read.timeout) == (None, 0, [], [], None)
    assert (read.auto, read.stale, read.rerun, read.each, read.broadcast, read.pin) == (
        True,
        "refresh",
        True,
        False,
        False,
        None,
    )
    assert submit("--noblock").block is False


@pytest.mark.parametrize("line", ["-h", "--help", "x -h"])
@pytest.mark.parametrize("name", sorted(set(READERS) - {"cluster"}))
def test_help_is_text_and_no_exit(name, line):
    with pytest.raises(HelpRequested) as asked:
        READERS[name](line)
    assert str(asked.value).startswith("usage: %")


@pytest.mark.parametrize("action", ["", *cluster_line.cluster.actions])
def test_every_action_of_cluster_has_help(action):
    with pytest.raises(HelpRequested, match=f"usage: %cluster {action}".strip()):
        cluster_line.cluster(f"{action} -h")


@pytest.mark.parametrize(
    ("name", "line", "says", "remedy"),
    [
        ("cluster", "strat", "'strat'", "'start'"),
        ("cluster", "start -n many", "'many' is not a whole number", "-h explains"),
        ("cluster", "start -n 0", "'0' is not a whole number of at least 1", "usage|%cluster start"),
        ("cluster", "start -n -3", "at least 1|expected one argument", "%cluster start"),
        ("cluster", "start --memory lots", "'lots' is not a size", "%cluster start"),
        ("cluster", "start --names a,b,a", "'a' twice", "name of its own"),
        ("cluster", "start -n 3 --names a,b", "3 workers and --names names 2", "Leave one"),
        ("cluster", "start --as 2x", "'2x' cannot name", "letters"),
        ("cluster", "start --timeout inf", "'inf' is not a time", "%cluster start"),
        ("cluster", "start --timeout soon", "'soon' is not a time", "%cluster start"),
        ("cluster", "start --timeout ''", "'' is not a time", "%cluster start"),
        ("cluster", "scale", "one size", "scale 4"),
        ("cluster", "scale 4 --cores 8", "one size", "scale 4"),
        ("cluster", "scale 4 --remove bob", "one size, or the workers", "--remove alice"),
        ("cluster", "scale -1", "-1", "%cluster scale"),
        ("cluster", "scale 1.5", "'1.5' is not a whole number", "%cluster scale"),
        ("cluster", "adapt 8 2", "The minimum, 8, is more", "adapt 2 8"),
        ("cluster", "adapt 2", "minimum and a maximum", "adapt 2 8"),
        ("cluster", "adapt 2 8 --off", "minimum and a maximum", "adapt 2 8"),
        ("scatter", "x --workers a --copies 2", "--copies has no meaning", "%pin NAME"),
        ("cluster", "start 3", "no argument '3'", "Did you mean -n 3?"),
        ("cluster", "start 2GB", "no argument '2GB'", "Did you mean --memory 2GB?"),
        ("cluster", "start alice bob", "no argument 'alice'", "Did you mean --names alice?"),
        ("cluster", "scale 64GB", "'64GB' is not a whole number", "Did you mean --memory 64GB?"),
        ("cluster", "scale alice", "'alice' is not a whole number", "Did you mean --remove alice?"),
        ("memory", "name", "no argument 'name'", "Did you mean --by name?"),
        ("cluster", "stop now", "no argument 'now'", "%cluster stop"),
        ("pin", "x", "--workers", "%pin"),
        ("pin", "--workers alice x", "NAME", "%pin"),
        ("pin", "x --worker alice", "--worker", "--workers"),
        ("pin", "x --workers", "expected at least one argument", "%pin"),
        ("scatter", "", "NAME", "%scatter"),
        ("scatter", "x --by core", "'core' is not one of cores, workers, memory", "%scatter"),
        ("scatter", "x.y", "'x.y' cannot name a variable", "letters"),
        ("scatter", "class", "'class' cannot name a variable", "letters"),
        ("scatter", "'<img onerror=x>'", "cannot name a variable", "letters"),
        ("scatter", "x@other", "'x@other' cannot name", "letters"),
        ("broadcast", "x --everywhere", "no option '--everywhere'", "%broadcast"),
        ("submit", "-o a,b for i in x", "single result", "-o a"),
        ("submit", "--broadcast", "needs a name", "-o NAME --broadcast"),
        ("submit", "-o a --broadcast --pin bob", "exclude each other", "Choose one"),
        ("submit", "-o a --pin bob for i in x", "--pin is for a cell that runs once", "Leave it out"),
        ("submit", "--each for i in x", "--each is for a cell that runs once", "Leave it out"),
        ("submit", "--each --workers bob", "every worker", "Leave out"),
        ("submit", "-o a b --each", "single result, with one value per worker", "-o a"),
        ("submit", "--limit db", "'db' is not of the form NAME=NUMBER", "-h explains"),
        ("submit", "--limit db=0", "a whole number of at least 1", "-h explains"),
        ("submit", "--resources GPU=much", "not of the form", "-h explains"),
        ("submit", "--stale maybe", "one of refresh, error", "-h explains"),
        ("submit", "--batch-size 0", "at least 1", "-h explains"),
        ("compute", "z --on", "--on names no collection", "--on x=alice"),
        ("compute", "z --on x", "'x' does not say which collection", "--on x=alice y,z=bob"),
        ("compute", "z --on x=", "'x=' does not say", "--on x=alice"),
        ("persist", "z --on x=alice --workers bob", "--workers is for all", "one of them"),
        ("persist", "z --on x.y=alice", "'x.y' cannot name", "letters"),
        ("gather", "x y-z", "'y-z' cannot name", "letters"),
    ],
)
def test_a_bad_line_says_what_is_wrong_and_what_would_work(name, line, says, remedy):
    with pytest.raises((ArgumentError, InvalidNameError)) as error:
        READERS[name](line)
    assert re.search(says, error.value.message), error.value.message
    assert re.search(remedy, error.value.remedy), error.value.remedy
    assert "\0" not in str(error.value)
    assert "\n" not in error.value.message


def test_collections_are_grouped_by_commas():
    read = collections_line.compute("z --on x=alice y,z=bob,'two words' -o result --allow-other-workers x")
    assert read.on == [(["x"], ["alice"]), (["y", "z"], ["bob", "two words"])]
    assert (read.names, read.output, read.allow_other_workers) == (["z"], "result", ["x"])
    read = collections_line.persist("z --on z=alice;")
    assert (read.names, read.on, read.allow_other_workers) == (["z"], [(["z"], ["alice"])], None)
    assert collections_line.compute("z --allow-other-workers").allow_other_workers == []


@pytest.mark.parametrize(
    ("line", "expression"),
    [
        ("ddf.v.sum()", "ddf.v.sum()"),
        ("d.groupby('a', sort=False).v.sum() --on x=alice -o n", "d.groupby('a', sort=False).v.sum()"),
        ("x.sum(), y.sum();", "x.sum(), y.sum()"),
        ("f(x, n=-1) --timeout=2", "f(x, n=-1)"),
        ("x y", ""),
        ("x, y # both", ""),
        ("{names} $more 'z'", ""),
    ],
)
def test_what_is_computed_is_a_list_of_names_or_an_expression(line, expression):
    read = collections_line.compute(line, {"names": ["x"], "more": ["y"]})
    assert read.expression == expression
    assert bool(read.names) != bool(expression)


def test_a_cell_takes_one_name():
    assert arguments.pin("x --workers a").the_name() == "x"
    with pytest.raises(ArgumentError, match="2 names were given: x, y"):
        arguments.pin("x y --workers a").the_name()
