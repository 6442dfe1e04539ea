import gc
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.kernel.values.fingerprint import image_of
from moorage.kernel.values.value_registry import ValueRegistry

byte_bounds = getattr(np.lib, "array_utils", np).byte_bounds  # of NumPy 2, of NumPy 1


def remember(origins, key, value, **options):
    origins.remember(key, value, image_of(value), **options)


def resolve(part, value, like):
    """What a worker does with a part: find the bytes in the image that it got."""
    image = image_of(value)
    assert part.digest == image.digest
    return np.ndarray(like.shape, like.dtype, bytes(image.buffers[part.number]), part.offset, like.strides)


def test_a_value_is_found_by_identity_only():
    origins = ValueRegistry()
    data = np.arange(1000)
    remember(origins, "k", data)
    assert origins.lookup(data) == "k"
    assert origins.lookup(data.copy()) is None
    assert origins.value("k") is data


def test_small_numbers_and_texts_are_not_found_since_they_may_be_one_object():
    origins = ValueRegistry()
    for value in (1, "text", None, b"", True, 2.5):
        remember(origins, ("k", repr(value)), value)
        assert origins.lookup(value) is None


def test_large_texts_are_found():
    origins = ValueRegistry()
    for value in ("text" * 1000, b"text" * 1000, 3**10_000):
        remember(origins, "k", value)
        assert origins.lookup(value) == "k"


def test_what_was_gathered_and_has_another_image_has_no_parts():
    origins = ValueRegistry()
    data = np.arange(1000)
    remember(origins, "k", data, parts=False)
    assert origins.lookup(data) == "k"
    assert origins.find(data[10:]) is None


def test_what_is_kept_to_compare_with_is_bounded():
    origins = ValueRegistry()
    for n in range(100):
        remember(origins, n, ["x" * 900_000, n])
    assert 0 < origins._kept <= 64_000_000
    for n in range(100):
        origins.forget(n)
    assert origins._kept == 0


def test_thousands_of_values_come_and_go_and_leave_nothing():
    origins = ValueRegistry()
    for n in range(5000):
        remember(origins, n, np.arange(1000))
        origins.forget(n)
    assert len(origins) == len(origins._keys_of) == 0
    assert len(origins._new_places) + len(origins._places) < 2000


def test_of_two_keys_the_latest_is_found_and_the_other_again_once_it_is_forgotten():
    origins = ValueRegistry()
    data = [1]
    remember(origins, "old", data)
    remember(origins, "new", data)
    assert origins.lookup(data) == "new"
    origins.forget("new")
    assert origins.lookup(data) == "old"
    origins.forget("old")
    assert origins.lookup(data) is None
    origins.forget("old")


def test_a_key_of_two_variables_is_kept_until_both_let_go():
    origins = ValueRegistry()
    data = [1]
    remember(origins, "k", data, vid="me:a")
    remember(origins, "k", data, vid="me:b")
    origins.forget("k", "me:a")
    assert origins.lookup(data) == "k"
    origins.forget("k", "me:b")
    assert "k" not in origins


def test_a_change_in_place_is_noticed():
    origins = ValueRegistry()
    data = np.arange(1000)
    remember(origins, "k", data)
    assert origins.unchanged("k")
    data[3] = 0
    assert not origins.unchanged("k")
    data[3] = 3
    assert origins.unchanged("k")
    with pytest.raises(KeyError):
        origins.unchanged("other")


def test_a_weakly_kept_value_goes_with_the_notebooks():
    origins = ValueRegistry()
    gone = []
    for name, value in {"array": np.arange(5000), "frame": pd.DataFrame({"a": np.arange(5000)})}.items():
        remember(origins, name, value, weak=True, on_gone=gone.append)
        assert origins.find(value["a"].to_numpy() if name == "frame" else value[10:]).key == name
    del value
    gc.collect()
    assert sorted(gone) == ["array", "frame"]
    assert len(origins) == 0
    with pytest.raises(KeyError):
        origins.value("array")


def test_a_key_is_let_go_of_before_an_equal_value_can_have_it():
    origins, order = ValueRegistry(), []
    value, equal = np.arange(5000), np.arange(5000)

    def place():
        remember(origins, "k", equal)
        order.append("placed")

    def let_go(key):
        meanwhile.start()
        meanwhile.join(0.2)
        order.append("let go")

    meanwhile = threading.Thread(target=place)
    remember(origins, "k", value, weak=True, on_gone=let_go)
    del value
    meanwhile.join()
    assert order == ["let go", "placed"]
    assert origins.lookup(equal) == "k"


VIEWS = {
    "slice": lambda a: a[100:9000],
    "reversed": lambda a: a[::-1],
    "strided": lambda a: a[::3],
    "transposed": lambda a: a.reshape(100, 100).T,
    "block": lambda a: a.reshape(100, 100)[20:80, 30:70],
    "other dtype": lambda a: a.view("u4"),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", ["i8", "M8[s]"])
def test_views_of_a_placed_array_are_found(view, dtype):
    origins = ValueRegistry()
    data = np.arange(10_000).astype(dtype)
    remember(origins, "k", data)
    wanted = VIEWS[view](data)
    part = origins.find(wanted)
    assert part.key == "k"
    assert np.array_equal(resolve(part, data, wanted), wanted)


@given(st.data())
@settings(max_examples=100)
def test_any_slice_of_any_placed_array_resolves_to_equal_content(data):
    origins = ValueRegistry()
    arrays = {k: np.arange(k * 10_000, k * 10_000 + 4000).reshape(40, 100) for k in range(3)}
    order = data.draw(st.sampled_from("CF"))
    for k in arrays:
        arrays[k] = np.array(arrays[k], order=order)
        remember(origins, k, arrays[k])
    k = data.draw(st.sampled_from(sorted(arrays)))
    rows, columns = (data.draw(st.slices(n)) for n in arrays[k].shape)
    wanted = arrays[k][rows, columns]
    part = origins.find(wanted)
    if part is not None:
        assert part.key == k
        assert np.array_equal(resolve(part, arrays[k], wanted), wanted)
    else:
        low, high = byte_bounds(wanted)
        assert high - low < 1024


def test_arrays_inside_containers_and_columns_of_frames_are_found():
    origins = ValueRegistry()
    config = {"deep": [np.arange(1000), (np.ones(1000),)], "n": 3}
    frame = pd.DataFrame({"a": np.arange(1000.0), "b": np.arange(1000), "t": pd.date_range("2020", periods=1000)})
    remember(origins, "config", config)
    remember(origins, "frame", frame)
    for key, value, wanted in [
        ("config", config, config["deep"][0]),
        ("config", config, config["deep"][1][0]),
        ("frame", frame, frame["a"].to_numpy()),
        ("frame", frame, frame["b"].to_numpy()[200:700]),
        ("frame", frame, frame["t"]._values._ndarray),
    ]:
        part = origins.find(wanted)
        assert part.key == key
        assert np.array_equal(resolve(part, value, wanted), wanted)


def test_what_is_not_placed_or_tiny_or_laid_out_otherwise_on_workers_is_not_found():
    origins = ValueRegistry()
    data = np.arange(10_000)
    strided = np.arange(10_000)[::2]
    remember(origins, "k", data)
    remember(origins, "s", strided)  # contiguous once it has been sent
    assert origins.find(data.copy()) is None
    assert origins.find(data[:10]) is None
    assert origins.find(strided[100:]) is None
    assert origins.lookup(strided) == "s"
    assert origins.find(np.array([{}] * 1000)) is None


def test_memory_of_a_replaced_part_is_not_mistaken_for_the_value():
    origins = ValueRegistry()
    box = {"a": np.zeros(5000)}
    remember(origins, "k", box)
    assert origins.find(box["a"]) is not None
    old = box["a"].__array_interface__["data"][0]
    box["a"] = None
    others = [np.ones(5000) for _ in range(20)]
    assert all(o.__array_interface__["data"][0] != old for o in others)
    assert all(origins.find(o) is None for o in others)
    assert not origins.unchanged("k")
