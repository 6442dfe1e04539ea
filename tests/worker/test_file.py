"""Images lie in a file as their entries say, and what is not as it was written is not taken."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.images.format import ALIGNMENT, decode, encode
from moorage.worker.tasks.file import PAGE, entries_of, read, write

VALUES = st.one_of(
    st.integers(),
    st.text(max_size=50),
    st.integers(0, 3000).map(np.arange),
    st.lists(st.integers(0, 1500).map(np.arange), max_size=3),
)


def written(images):
    file = io.BytesIO()
    write(file.write, images, entries_of(images), lambda: None)
    return file.getvalue()


def pieces(entry, content):
    whole = memoryview(content)
    return whole[entry.offset :][: entry.stream], whole[entry.block : entry.end]


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_what_is_written_is_read_each_by_itself(values):
    images = [encode(value) for value in values]
    entries, content = entries_of(images), written(images)
    assert entries[-1].end == len(content)
    for value, entry in zip(values, entries, strict=True):
        assert entry.offset % ALIGNMENT == 0
        assert not entry.sizes or entry.block % PAGE == 0
        stream, buffers = read(entry, *pieces(entry, content))
        np.testing.assert_equal(decode(stream, buffers), value)


@given(st.data())
def test_a_changed_byte_is_noticed(data):
    image = encode([np.arange(1000), "text", np.ones(2000)])
    (entry,), content = entries_of([image]), bytearray(written([image]))
    offsets = entry.layout.offsets
    ranges = [(entry.offset, entry.stream), *zip([entry.block + o for o in offsets], entry.sizes, strict=True)]
    begin, size = data.draw(st.sampled_from(ranges))
    content[begin + data.draw(st.integers(0, size - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match=r"changed|version|not the stream"):
        read(entry, *pieces(entry, content))


def test_nothing_more_is_written_when_it_is_not_wanted():
    file = io.BytesIO()

    def go_on():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(file.write, images := [encode(1)], entries_of(images), go_on)
    assert file.getvalue() == b""
