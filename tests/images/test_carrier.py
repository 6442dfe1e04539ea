import gc
import operator
import pickle
import subprocess
import sys
import types
import weakref

import numpy as np
import pandas as pd
import pytest
from distributed.protocol import deserialize, serialize

from moorage.images.carrier import ON_ITS_WAY, Carrier, Table
from moorage.images.format import ALIGNMENT, aligned, encode, is_kept, layout

MODULE = "moorage_images_of_this_test"


@pytest.fixture
def table():
    """The table of this process, where the pickles of carriers find it."""
    clock = types.SimpleNamespace(now=0.0)
    module = types.ModuleType(MODULE)
    module.table = Table(MODULE, lambda: clock.now)
    module.loads, module.clock = module.table.loads, clock
    sys.modules[MODULE] = module
    yield module.table
    del sys.modules[MODULE]


def sent(value, protocol=5):
    """Return what arrives when Dask sends a value."""
    carrier = Carrier(encode(value), MODULE)
    header, frames = serialize(carrier, context={"pickle-protocol": protocol})
    odd = bytearray(1 + sum(memoryview(f).nbytes for f in frames))
    start, received = 1, []
    for frame in frames:  # as it reads them: into one piece of memory, wherever they come to lie
        end = start + memoryview(frame).nbytes
        odd[start:end] = memoryview(frame).cast("B")
        received.append(memoryview(odd)[start:end])
        start = end
    return deserialize(header, received)


def values():
    array = np.arange(10_000.0)
    return {
        "array": array,
        "container": {"a": array, "again": array, "t": "text" * 3000},
        "frame": pd.DataFrame({"x": array, "y": array * 2}),
        "matrix": array.reshape(100, 100).view(np.matrix),
        "text": "text" * 3000,
        "small": [1, 2],
    }


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray | pd.DataFrame):
        return type(a) is type(b) and np.array_equal(a, b)
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("kind", values())
def test_what_arrives_is_the_value(kind, protocol, table):
    value = values()[kind]
    assert same(sent(value, protocol=protocol), value)
    if kind == "container":
        copy = sent(value, protocol=protocol)
        assert copy["a"] is copy["again"]


@pytest.mark.parametrize("kind", values())
def test_what_arrives_where_nothing_is_known_of_images_is_the_value(kind):
    assert MODULE not in sys.modules
    copy = sent(values()[kind])
    assert same(copy, values()[kind])
    if kind == "array":
        copy[0] = 1  # and it is the receiver's own


def test_a_process_without_moorage_can_read_it():
    data = pickle.dumps(Carrier(encode({"a": np.arange(5000), "f": lambda: 3}), MODULE), protocol=4)
    code = (
        "import sys, pickle; sys.modules['moorage'] = None; v = pickle.load(sys.stdin.buffer);"
        "print(v['a'].sum(), v['f']())"
    )
    answer = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True).stdout
    assert answer.split() == [str(sum(range(5000))).encode(), b"3"]


def test_frames_that_are_ready_are_sent_without_a_copy():
    array = np.arange(100_000)
    ready = Carrier(encode(array), MODULE).frames()
    assert any(np.shares_memory(np.frombuffer(frame, "u1"), array) for frame in ready.frames)
    assert same(deserialize(*serialize(ready)), array)


def test_frames_in_a_cycle_do_not_crash_the_garbage_collector():
    """As those of a send that has failed, which the traceback refers to."""
    code = """
import gc
import numpy as np
from distributed.protocol import serialize
from moorage.images.carrier import Carrier, Table
from moorage.images.format import aligned
from moorage.images.format import Image, encode

gc.disable()
for _ in range(50):
    image = encode(np.arange(100_000))
    for one in (image, Image(b"", tuple(aligned(image.buffers)))):
        _, frames = serialize(Carrier(one, "m"))
        cycle = [frames]
        cycle.append(cycle)
del image, one, frames, cycle
gc.collect()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_arrays_that_arrive_are_aligned_and_read_only(table):
    array = sent(np.arange(10_000.0))
    assert array.__array_interface__["data"][0] % ALIGNMENT == 0
    assert array.flags.aligned
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_without_room_for_a_copy_arrays_stay_where_they_arrived(table):
    array = np.arange(10_000.0)
    table.has_room = lambda nbytes: nbytes < 80_000
    copy = sent(array)
    assert same(copy, array)
    assert not copy.flags.aligned
    assert bytes(table.buffer(copy, encode(array).digest, 0, b"")) == bytes(array)


def test_aligned_copies_share_a_block_as_the_layout_has_it():
    sizes = [100, 5000, 64, 1]
    copies = aligned([memoryview(bytes([n]) * size) for n, size in enumerate(sizes)])
    assert [bytes(copy) for copy in copies] == [bytes([n]) * size for n, size in enumerate(sizes)]
    first, *others = (np.frombuffer(copy, "u1").__array_interface__["data"][0] for copy in copies)
    assert [address - first for address in others] == list(layout(sizes).offsets[1:])
    assert aligned([]) == []


@pytest.mark.parametrize("kind", ["array", "container", "frame", "matrix"])
def test_the_table_knows_each_buffer_of_what_has_arrived(kind, table):
    value = values()[kind]
    image = encode(value)
    copy = sent(value)
    for number, buffer in enumerate(image.buffers):
        found = table.buffer(copy, image.digest, number, b"")
        assert bytes(found) == bytes(buffer)
        assert found.readonly
    assert table.buffer(copy, "0" * 32, 0, b"") is None


def test_in_what_came_another_way_a_buffer_is_found_by_its_content_only(table):
    array, other = np.arange(10_000.0), np.ones(10_000)
    image = encode([other, array])
    (_, content) = image.digests
    for value in (array.copy(), [other, array], {"new": other + 1, "array": array}):
        assert bytes(table.buffer(value, image.digest, 1, content)) == bytes(array)
    for value in (array + 1, [other, other], array.reshape(100, 100)[::2], sys.stdout, None):
        assert table.buffer(value, image.digest, 1, content) is None
    assert len(table) == 0


def test_what_is_sent_on_is_the_image_that_came_whatever_was_done_to_the_copy(table):
    first, second = np.arange(10_000.0), np.ones(5000)
    image = encode({"first": first, "again": first, "second": second})
    copy = sent({"first": first, "again": first, "second": second})
    copy["cache"] = copy.pop("first") + 1
    header, frames = serialize(table.outgoing(copy))
    third = deserialize(header, frames)
    assert sorted(third) == ["again", "first", "second"]
    assert third["first"] is third["again"]
    assert np.array_equal(np.frombuffer(table.buffer(third, image.digest, 1, b"")), second)


@pytest.mark.parametrize("kind", ["array", "container", "frame", "matrix"])
def test_what_a_task_returns_is_sent_as_the_image_that_came_if_it_is_unchanged(kind, table):
    value = sent(values()[kind])
    image = table.image_of(value)
    assert table.as_it_is(value)._image is image
    match value:
        case dict():
            value["new"] = 1
        case pd.DataFrame():
            value["new"] = 1.0
        case _:
            value.shape = (-1, 50)
    assert table.as_it_is(value)._image is not image
    assert same(deserialize(*serialize(table.outgoing(value, changed=table.has_changed(value)))), value)


def test_an_array_goes_from_the_table_when_nobody_uses_it(table):
    array = sent(np.arange(10_000))
    assert array in table
    assert len(table) == 1
    del array
    assert len(table) == 0


def test_a_dict_goes_from_the_table_when_it_is_in_no_workers_data_any_more(table):
    clock = sys.modules[MODULE].clock
    box = sent({"a": np.arange(10_000)})
    box["self"] = box
    table.sweep(lambda: {})
    assert box in table  # it may be on its way to where others have it
    clock.now = ON_ITS_WAY + 1
    table.sweep(lambda: {id(box)})
    assert box in table
    table.sweep(lambda: {})
    assert box not in table
    assert len(table) == 0


def test_another_object_at_the_same_address_is_not_mistaken(table):
    for _ in range(50):
        box = sent({"a": np.arange(2000)})
        table.forget(box)
        assert box not in table
        del box
        gc.collect()
        assert {"a": 1} not in table


def test_a_value_that_is_nearly_all_stream_is_not_kept_twice(table):
    def kept(value):
        image = encode(value)
        return is_kept(image.stream, image.nbytes - len(image.stream))

    array, text = np.arange(1000), "x" * 5_000_000
    assert kept(array)
    assert not kept([1])
    assert not kept([array, list(range(1_000_000))])
    assert not kept(text)
    assert not kept([text, array])
    assert kept([text, np.arange(3_000_000)])
    texts = sent([str(n) for n in range(10_000)])
    assert texts in table
    assert table.image_of(texts) is None
    header, frames = serialize(table.outgoing(texts))
    assert deserialize(header, frames) == texts


def test_numbers_and_texts_are_none_of_its_business(table):
    text = sent("text" * 3000)
    assert text not in table
    assert table.outgoing(text) is text
    assert table.outgoing(operator.add) is operator.add


def test_an_array_of_a_subclass_keeps_it_also_if_it_is_the_result_of_a_task(table):
    records = np.zeros(5, [("a", "i4")]).view(np.recarray)
    assert records not in table
    for value in (records, {"values": [1, records]}):
        copy = deserialize(*serialize(table.outgoing(value)))
        assert type(copy if value is records else copy["values"][1]) is np.recarray
    assert table.outgoing(several := [np.zeros(5), {}]) is several
    assert table.outgoing(plain := np.zeros(5)) is plain


class Packet(bytes):
    pass


class Log(bytearray):
    pass


@pytest.mark.parametrize("value", [Packet(b"a" * 10), Log(b"a" * 10), Packet(b"a" * 2_000_000)], ids=["a", "b", "c"])
def test_bytes_of_a_subclass_keep_it_also_if_they_are_the_result_of_a_task(table, value):
    for result in (value, [1, {"packet": value}]):
        back = deserialize(*serialize(table.outgoing(result)))
        assert back == result
        assert type(back if result is value else back[1]["packet"]) is type(value)


def test_what_was_sent_is_freed_at_once():
    """By the last reference, not by the garbage collector: it may be shared memory, or much."""
    gc.disable()
    try:
        value = np.arange(100_000)
        gone = weakref.ref(value)
        frames = Carrier(encode(value), "no such module").frames()
        del value
        assert gone() is not None
        del frames
        assert gone() is None
    finally:
        gc.enable()
