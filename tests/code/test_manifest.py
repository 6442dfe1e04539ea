"""A version of the user's code: what has to be replaced when something changes."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from moorage.code.manifest import Manifest
from moorage.code.text import Text


def version(**sources):
    return Manifest(
        Text(name.replace("__", "."), f"/{name}.py", source.encode(), package=f"{name}__" in " ".join(sources))
        for name, source in sources.items()
    )


def changed(before, after):
    return {name for name in after.deep if before.deep.get(name) != after.deep[name]}


def test_what_imports_a_changed_module_is_replaced_too():
    before = version(a="import b", b="import c", c="x = 1", d="y = 1")
    after = version(a="import b", b="import c", c="x = 2", d="y = 1")
    assert changed(before, after) == {"a", "b", "c"}


def test_circles_are_replaced_together():
    before = version(a="import b", b="import a", c="")
    after = version(a="import b", b="import a; x = 1", c="")
    assert changed(before, after) == {"a", "b"}


def test_a_changed_package_takes_what_is_in_it_along_but_not_the_other_way_round():
    before = version(pkg="", pkg__x="x = 1", pkg__y="")
    assert changed(before, version(pkg="new = 1", pkg__x="x = 1", pkg__y="")) == {"pkg", "pkg.x", "pkg.y"}
    assert changed(before, version(pkg="", pkg__x="x = 2", pkg__y="")) == {"pkg.x"}


def test_a_chain_may_be_longer_than_python_recurses():
    n = 2 * sys.getrecursionlimit()
    chain = {f"m{number}": f"import m{number + 1}" for number in range(n)}
    before, after = version(**chain), version(**chain | {f"m{n - 1}": "x = 1"})
    assert changed(before, after) == chain.keys()


def test_no_modules_are_no_version():
    assert Manifest().id == ""
    assert version(a="").id == version(a="").id != version(a="x").id


NAMES = "abcdef"


@given(
    st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)), min_size=1),
    st.sampled_from(NAMES),
)
def test_exactly_what_can_reach_a_change_is_replaced(imports, edited):
    sources = {name: "\n".join(f"import {other}" for other in sorted(named)) for name, named in imports.items()}
    before = version(**sources)
    after = version(**{name: source + "\nx = 1" * (name == edited) for name, source in sources.items()})

    def reaches(name, seen):
        if name == edited:
            return True
        return any(other in imports and other not in seen and reaches(other, seen | {other}) for other in imports[name])

    expected = {name for name in imports if edited in imports and reaches(name, {name})}
    assert changed(before, after) == expected
