"""What has been saved is written down and read again; anything else is refused in words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import SaveError
from moorage.tasks.saving.manifest import Manifest, SavedVariable
from moorage.tasks.saving.saver import packed

LABELS = st.recursive(
    st.text(max_size=5) | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.tuples(inner, inner),
    max_leaves=4,
)


def manifest(labels=("a",), keys=("x-1",)):
    image = {"file": f"{'0' * 32}.images", "offset": 0, "stream": 10, "sizes": [8, 9], "digest": "f" * 32}
    structure = {"kind": "dict", "labels": list(labels), "typename": ""}
    variable = SavedVariable({"kind": "everywhere"}, structure, "dict", "", 10, list(keys), [0] * len(keys))
    return Manifest("2026-11-28T08:00:00+00:00", [image], {"x": variable})


@given(st.lists(LABELS, max_size=5), st.lists(LABELS, max_size=5))
def test_it_is_read_as_it_was_written(labels, keys):
    saved = manifest(labels, keys)
    assert Manifest.from_json(saved.to_json(), "here") == saved


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "{", '{"kind": "notebook"}', b"\xff"])
def test_what_is_something_else_is_refused(text):
    with pytest.raises(SaveError, match="does not say what moorage has saved"):
        Manifest.from_json(text, "here")


def changed(**fields):
    return json.dumps(json.loads(manifest().to_json()) | fields)


def test_other_versions_are_refused_with_both_named():
    with pytest.raises(SaveError, match=r"version 2\.3, written by moorage 0\.1\.0; here is version 1\.3"):
        Manifest.from_json(changed(version=2), "here")
    with pytest.raises(SaveError, match=r"version 1\.9,"):
        Manifest.from_json(changed(image_version=9), "here")


@pytest.mark.parametrize("file", ["../x", "/etc/passwd", "", "..", "a\\b"])
def test_a_file_elsewhere_is_refused(file):
    images = json.loads(manifest().to_json())["images"]
    with pytest.raises(SaveError, match="damaged"):
        Manifest.from_json(changed(images=[images[0] | {"file": file}]), "here")


def test_an_image_that_is_not_there_is_refused():
    with pytest.raises(SaveError, match="damaged"):
        Manifest.from_json(changed(images=[]), "here")


@given(
    st.dictionaries(st.integers(), st.integers(0, 40 << 20), max_size=30),
    st.lists(st.sampled_from("abc"), min_size=1, unique=True),
)
def test_each_key_is_written_once_by_one_that_has_it_and_evenly(nbytes, holders):
    packs = packed(nbytes, dict.fromkeys(nbytes, holders), most=64 << 20)
    assert sorted(key for pack in packs for key in pack.keys) == sorted(nbytes)
    loads = dict.fromkeys(holders, 0)
    for pack in packs:
        assert pack.nbytes == sum(nbytes[key] for key in pack.keys)
        assert pack.nbytes <= 64 << 20 or len(pack.keys) == 1
        loads[pack.worker] += pack.nbytes
    assert max(loads.values()) - min(loads.values()) <= max(nbytes.values(), default=0)
