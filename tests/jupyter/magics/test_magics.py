"""The magics in a real shell, on a real cluster of two workers."""

import gc
import weakref

import pytest

from moorage.errors import InputError, MoorageError, UnknownVariableError, UnknownWorkerError
from moorage.jupyter.magics.reporting import reported


def holders(running, name):
    return running.placement()[name].holders


def test_broadcast_puts_a_variable_on_every_worker(notebook, running):
    shown = notebook.run("big = list(range(1000))\n%broadcast big")
    assert "big (list" in shown
    assert "everywhere, held by 2 of 2 workers" in shown
    assert holders(running, "big") == ["alice", "bob"]
    assert notebook.names["big"] == list(range(1000))


def test_placement_shows_a_table_of_all_or_of_some(notebook):
    notebook.run("x = 'one'\ny = 'two'\n%broadcast x y")
    everything = notebook.run("%placement")
    assert "alice" in everything
    assert "x " in everything
    assert "y " in everything
    assert "\ny " not in notebook.run("%placement x")


def test_a_variable_that_is_placed_for_a_time_says_until_when(notebook):
    assert "everywhere until " in notebook.run("x = 'one'\n%broadcast x --for 2h")
    assert " until " in notebook.run("%placement x")
    assert " until " not in notebook.run("%pin x --workers bob")


def test_scatter_spreads_the_elements_of_a_list(notebook, running):
    notebook.run("parts = [bytes([i]) * 100 for i in range(4)]\n%scatter parts")
    state = running.placement()["parts"]
    assert state.nkeys == 4
    assert state.held == {"alice": 2, "bob": 2}


def test_scatter_whole_makes_one_key(notebook, running):
    notebook.run("parts = [1, 2, 3]\n%scatter parts --whole --workers bob")
    state = running.placement()["parts"]
    assert (state.nkeys, state.holders) == (1, ["bob"])


def test_pin_takes_the_notebook_s_value_and_then_moves_it(notebook, running):
    notebook.run("x = 'text'\n%pin x --workers alice")
    assert holders(running, "x") == ["alice"]
    keys = running["x"].keys
    notebook.run("%pin x --workers bob")
    assert holders(running, "x") == ["bob"]
    assert running["x"].keys == keys


def test_a_placed_variable_that_the_notebook_has_not_can_be_placed_anew(notebook, running):
    notebook.run("x = 'text'\n%pin x --workers alice\ndel x\n%broadcast x")
    assert holders(running, "x") == ["alice", "bob"]


def test_gather_binds_and_returns(notebook):
    notebook.run("x = [1, 2, 3]\n%scatter x\ndel x")
    notebook.run("y = %gather x")
    assert notebook.names["x"] == [1, 2, 3]
    assert notebook.names["y"] is notebook.names["x"]


def test_what_was_just_gathered_is_not_stale(notebook, running):
    notebook.run("x = [1, 2, 3]\n%scatter x")
    notebook.run("%gather x;")
    assert not running.placement()["x"].stale


def test_gather_with_a_semicolon_shows_nothing(notebook):
    notebook.run("x = 'a value'\n%scatter x")
    assert "a value" in notebook.run("%gather x")
    assert "a value" not in notebook.run("%gather x;")


def test_gather_brings_futures_and_leaves_their_name(notebook):
    notebook.run("futures = cluster.client.map(str, [1, 2])\nvalues = %gather futures")
    assert notebook.names["values"] == ["1", "2"]
    assert notebook.names["futures"] != ["1", "2"]


def test_release_lets_go(notebook, running):
    notebook.run("x = 'text'\n%broadcast x\n%release x")
    assert "x" not in running
    assert notebook.names["x"] == "text"


def test_a_rebound_variable_is_stale_until_it_is_placed_again(notebook, running):
    notebook.run("x = [1]\n%broadcast x")
    assert "stale" not in notebook.run("%placement")
    notebook.run("x = [2]")
    assert "stale" in notebook.run("%placement")
    notebook.run("%broadcast x")
    assert not running.placement()["x"].stale
    assert running.gather("x") == [2]


class TestCellForm:
    @pytest.mark.parametrize("magic", ["scatter", "broadcast", "pin"])
    def test_the_last_expression_is_placed_and_not_kept(self, notebook, running, magic):
        where = "--workers alice" if magic == "pin" else ""
        shown = notebook.run(f"%%{magic} made {where}\nstep = 20\n'made of ' + str(step + 1)")
        assert "made (str" in shown
        assert running.gather("made") == "made of 21"
        assert "made" not in notebook.names
        assert notebook.names["step"] == 20

    def test_nothing_of_ours_holds_the_value(self, notebook, running):
        notebook.run("class Thing:\n    pass\nseen = []")
        seen: list[weakref.ref] = []
        notebook.names["look"] = lambda thing: seen.append(weakref.ref(thing)) or thing
        notebook.run("%%broadcast thing\nlook(Thing())")
        gc.collect()
        assert [reference() for reference in seen] == [None]
        assert holders(running, "thing") == ["alice", "bob"]

    def test_keep_local_keeps_it(self, notebook):
        notebook.run("%%broadcast made --keep-local\n[1, 2]")
        assert notebook.names["made"] == [1, 2]

    def test_rebind_keeps_it_in_the_memory_that_the_workers_share(self, notebook, running):
        notebook.run("import numpy as np")
        notebook.run("%%broadcast made --rebind\nnp.arange(100_000)")
        notebook.run("writeable, total = made.flags.writeable, made.sum()")
        assert (notebook.names["writeable"], notebook.names["total"]) == (False, 4_999_950_000)
        assert not running.placement()["made"].stale
        error, _ = notebook.fail("%%broadcast small --rebind\n[1, 2]")
        assert "it is small" in str(error)
        assert notebook.names["small"] == [1, 2]
        assert "small" not in running.placement()

    def test_a_name_is_bound_to_the_memory_that_the_workers_share(self, notebook, running):
        notebook.run("import numpy as np")
        notebook.run("big = np.arange(100_000)")
        notebook.run("%broadcast big --rebind")
        assert not notebook.names["big"].flags.writeable
        assert not running.placement()["big"].stale
        notebook.run("%pin big --workers alice --rebind")
        assert running.placement()["big"].holders == ["alice"]
        assert not running.placement()["big"].stale

    @pytest.mark.parametrize("magic", ["scatter --whole --workers alice", "broadcast", "pin --workers alice"])
    def test_tasks_can_write_to_what_is_placed_so(self, notebook, running, magic):
        name, *options = magic.split(" ", 1)
        notebook.run("import numpy as np\nbig = np.zeros(100_000)")
        notebook.run(f"%{name} big {' '.join(options)} --writable")
        notebook.run("%%submit --workers alice\nbig[0] = 5")
        notebook.run("%%submit -o seen --workers alice\nbig[0]")
        assert notebook.names["seen"].result() == 5
        assert notebook.names["big"][0] == 0
        assert "tasks may write to it" in notebook.run("%placement big -v")

    def test_gathering_can_map(self, notebook, running):
        notebook.run("import numpy as np")
        notebook.run("%%broadcast made\nnp.arange(100_000)")
        notebook.run("%gather made --map")
        assert not notebook.names["made"].flags.writeable
        assert not running.placement()["made"].stale
        assert running.submit(lambda part: part.sum(), notebook.names["made"][10:]).result() == 4_999_949_955
        assert list(running.placement()) == ["made"]

    def test_parts_of_what_was_mapped_are_parts_of_what_is_placed(self, notebook, running):
        notebook.run("import numpy as np")
        notebook.run("%%broadcast made\n{'a': np.arange(100_000), 'b': [np.ones(100_000), 'text' * 500]}")
        notebook.run("%gather made --map;")
        made = notebook.names["made"]
        key = running["made"].future.key
        for part in (made["a"], made["a"][10:], made["b"][0][::2]):
            assert running.placer.origins.find(part).key == key
        assert running.submit(lambda part: part.sum(), made["a"][10:]).result() == 4_999_949_955
        assert not running.placement()["made"].stale

    def test_what_was_kept_is_known_to_be_what_was_placed(self, notebook, running):
        notebook.run("%%scatter made --keep-local\n[[1], [2]]")
        assert not running.placement()["made"].stale
        notebook.run("made[0].append(3)")
        assert running.placement()["made"].stale

    def test_the_name_means_the_cell_s_value_from_then_on(self, notebook, running):
        notebook.run("made = [1, 2]")
        notebook.run("%%broadcast made\n[*made, 3]")
        assert "made" not in notebook.names
        assert not running.placement()["made"].stale
        notebook.run("made = [4]")
        assert running.placement()["made"].stale

    @pytest.mark.parametrize("line", ["%%broadcast made", "%%scatter made --whole", "%%pin made --workers bob"])
    def test_it_may_wait(self, notebook, running, line):
        notebook.run(f"{line}\nimport asyncio\nawait asyncio.sleep(0.01)\n[await asyncio.sleep(0.01, 5), 6]")
        assert running.gather("made") == [5, 6]
        assert "made" not in notebook.names
        notebook.run(f"{line}\nasync def seven():\n    return await asyncio.sleep(0, 7)\nawait seven()")
        assert running.gather("made") == 7

    def test_what_goes_wrong_while_it_waits_is_the_user_s_own(self, notebook, running):
        notebook.run("import asyncio")
        error, shown = notebook.fail("%%broadcast made\nawait asyncio.sleep(0)\nzero = 0\n1 / zero")
        assert isinstance(error, ZeroDivisionError)
        assert "4 1 / zero" in shown
        assert "moorage" not in shown
        error, shown = notebook.fail("%%pin made --workers carol\nawait asyncio.sleep(0, 'precious')")
        assert isinstance(error, UnknownWorkerError)
        assert "Traceback" not in shown
        assert notebook.names["made"] == "precious"
        _, shown = notebook.fail("%%broadcast made\ndef f():\n    await asyncio.sleep(0)\nf()")
        assert "'await' outside async function" in shown
        assert "The cell was not run." in shown

    def test_a_value_that_cannot_be_placed_is_not_lost(self, notebook):
        error, shown = notebook.fail("%%pin made --workers carol\n'precious'")
        assert isinstance(error, UnknownWorkerError)
        assert notebook.names["made"] == "precious"
        assert "in the notebook as 'made'" in shown

    def test_an_error_of_the_cell_is_shown_with_its_own_lines(self, notebook):
        error, shown = notebook.fail("%%broadcast made\nzero = 0\n1 / zero")
        assert isinstance(error, ZeroDivisionError)
        assert "----> 3 1 / zero" in shown
        assert "moorage" not in shown.replace("%%broadcast", "")

    @pytest.mark.parametrize(
        ("body", "says"), [("x = 1", "does not end with an expression"), ("f(", "never closed"), ("# x", "expression")]
    )
    def test_a_cell_without_a_value_is_not_run(self, notebook, body, says):
        error, shown = notebook.fail(f"%%broadcast made\nran = True\n{body}")
        assert isinstance(error, InputError)
        assert says in shown
        assert "ran" not in notebook.names

    def test_without_a_cluster_the_cell_is_not_run(self, shell, monkeypatch):
        monkeypatch.setattr("moorage.controller.registry.all_controllers", list)
        monkeypatch.setattr("moorage.controller.registry._controllers", [], raising=False)
        shell.fail("%%broadcast made\nran = True\nran")
        assert "ran" not in shell.names


class TestBadInput:
    @pytest.mark.parametrize(
        ("code", "says", "remedy"),
        [
            ("%pin x --workers alise", "no worker 'alise'", "Did you mean 'alice'? The workers: alice, bob."),
            ("%pin y --workers alice", "no variable 'y'", "x"),
            ("%gather xx", "no variable 'xx'", "Did you mean 'x'?"),
            ("%release y", "no variable 'y'", "x"),
            ("%placement y", "no variable 'y'", "x"),
            ("%pin x", "--workers", "Usage: %pin NAME... --workers W..."),
            ("%broadcast 2x", "'2x' cannot name a variable", "Use letters"),
            ("%pin x --workers 'two words'", "'two words'", "The workers: alice, bob."),
            ("%pin x --workers '<img src=x onerror=alert(1)>'", "<img", "The workers: alice, bob."),
            ('%pin x --workers "it\'s"', "it's", "The workers: alice, bob."),
            ("it = iter([1])\n%scatter it", "iterator", "list"),
            ("import threading\nlock = [threading.Lock()]\n%broadcast lock", "lock", ""),
            ("huge = bytes(3 * 10**9)\n%broadcast huge", "huge", "force"),
            ("%cluster start", "'cluster' is already the cluster", "--as NAME"),
            ("%cluster scale -3", "-3", "%cluster scale"),
        ],
    )
    def test_it_is_refused_in_two_lines_and_nothing_is_lost(self, notebook, running, code, says, remedy):
        notebook.run("x = 'kept'\n%broadcast x")
        error, shown = notebook.fail(code)
        notebook.names.pop("huge", None)
        assert isinstance(error, MoorageError), shown
        assert says in error.message
        assert remedy in error.remedy
        assert error.message in shown
        assert "Traceback" not in shown
        assert "moorage/" not in shown
        assert holders(running, "x") == ["alice", "bob"]
        assert notebook.names["x"] == "kept"

    def test_all_names_are_checked_before_anything_is_placed(self, notebook, running):
        error, _ = notebook.fail("x = 'here'\n%broadcast x nowhere")
        assert isinstance(error, UnknownVariableError)
        assert "x" not in running

    def test_when_one_does_not_fit_none_is_placed(self, notebook, running):
        error, _ = notebook.fail("small = 'small'\nhuge = bytes(3 * 10**9)\n%broadcast small huge")
        notebook.names.pop("huge")
        assert type(error).__name__ == "DoesNotFitError"
        assert list(running) == []

    def test_two_variables_of_the_same_content_live_independently(self, notebook, running):
        notebook.run("x = [1.5, 2.5]\ny = [1.5, 2.5]\n%broadcast x y\n%release x")
        assert holders(running, "y") == ["alice", "bob"]
        assert running.gather("y") == [1.5, 2.5]

    def test_an_actor_is_refused(self, notebook):
        notebook.run("class Counter:\n    n = 0\nactor = cluster.client.submit(Counter, actor=True).result()")
        error, _ = notebook.fail("%broadcast actor")
        assert "actor" in error.message

    def test_an_interrupt_says_what_stands(self):
        def interrupted():
            with reported(lambda: "x is held"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as error:
            interrupted()
        assert error.value._render_traceback_() == ["KeyboardInterrupt: x is held"]


def test_help_is_shown_and_is_no_error(notebook):
    assert "usage: %pin NAME... --workers W..." in notebook.run("%pin -h")
    assert "%cluster start [-n N]" in notebook.run("%cluster -h")


def test_a_line_takes_variables_of_the_notebook(notebook, running):
    notebook.run("x = 'text'\nteam = ['bob']\n%pin x --workers $team")
    assert holders(running, "x") == ["bob"]


def test_a_controller_and_its_placements_are_displayed(notebook):
    notebook.run("x = 'text'\n%broadcast x")
    assert "2 workers" in notebook.run("cluster")
    assert "everywhere" in notebook.run("cluster.placement()")
    html = notebook.ip.display_formatter.format(notebook.names["cluster"].placement())[0]["text/html"]
    assert "<table>" in html


def test_config_shows_and_sets_traits(notebook, running):
    assert "ClusterController" in notebook.run("%config")
    assert "ClusterController(" in notebook.run("%config ClusterController")
    notebook.run("%config MoorageMagics.progress_after = 2.5")
    assert notebook.ip.magics_manager.registry["MoorageMagics"].progress_after == 2.5


def test_names_are_completed(notebook):
    notebook.run("big_table = [1]\n%broadcast big_table")
    assert "big_table" in notebook.complete("%gather big")
    assert "alice" in notebook.complete("%pin big_table --workers al")
    assert "--workers" in notebook.complete("%pin big_table --wor")
    assert "start" in notebook.complete("%cluster st")
