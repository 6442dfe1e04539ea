"""Errors travel between processes unharmed, stand in one tree, and say what would work."""

from __future__ import annotations

import inspect
import pickle
import re

import cloudpickle
import pytest
from distributed.protocol.pickle import dumps, loads

from moorage import errors
from moorage.errors import MoorageError, UnknownVariableError, UnknownWorkerError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, MoorageError)]
ARGUMENTS = {
    "UnknownWorkerError": ("bod", ["alice", "bob"]),
    "UnknownVariableError": ("flihts", ["flights"]),
    "InvalidNameError": ("not a name",),
}


def an(error: type[MoorageError]) -> MoorageError:
    return error(*ARGUMENTS.get(error.__name__, ("This cannot be.", "Do that.")))


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_an_error_survives_pickling(error: type[MoorageError]) -> None:
    before = an(error)
    for after in (
        pickle.loads(pickle.dumps(before)),
        cloudpickle.loads(cloudpickle.dumps(before)),
        loads(dumps(before)),
    ):
        assert type(after) is error
        assert (after.message, after.remedy, str(after)) == (before.message, before.remedy, str(before))


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_an_error_says_what_cannot_be_and_what_would_work(error: type[MoorageError]) -> None:
    assert str(an(error)) == f"{an(error).message}\n{an(error).remedy}"
    assert "\n" not in an(error).message
    assert inspect.getdoc(error)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    documented: dict[str, str | None] = {}
    path: list[str] = []
    for indent, name in re.findall(r"^( *)\* (\w+)", errors.__doc__ or "", re.MULTILINE):
        path[len(indent) // 4 :] = [name]
        documented[name] = path[-2] if len(path) > 1 else None
    ours = {c.__name__: next((b.__name__ for b in c.__bases__ if issubclass(b, MoorageError)), None) for c in CLASSES}
    assert documented == ours


def test_errors_are_also_what_python_calls_such_errors() -> None:
    assert issubclass(errors.InputError, ValueError)
    assert issubclass(errors.UnknownVariableError, KeyError)
    assert issubclass(errors.WaitTimeoutError, TimeoutError)
    assert issubclass(errors.UnreachableError, ConnectionError)


def test_an_unknown_name_is_answered_with_the_nearest_and_with_all() -> None:
    error = UnknownWorkerError("alcie", ["bob", "alice"])
    assert str(error) == "There is no worker 'alcie'.\nDid you mean 'alice'? The workers: alice, bob."
    error = UnknownVariableError("alcie", ["flights"], workers=["bob", "alice"])
    assert error.remedy == "The variables: flights. Did you mean 'alice'? The workers: alice, bob."
    assert str(UnknownVariableError("x", [])) == "There is no variable 'x' on the cluster.\nThere are no variables yet."


def test_a_long_list_of_names_is_cut() -> None:
    assert str(UnknownWorkerError("x", [f"w{i:02}" for i in range(25)])).endswith("w19 and 5 more.")
