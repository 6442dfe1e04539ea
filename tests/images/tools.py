"""A value on its way through an image, and whether what came out is what went in."""

import numpy as np

from moorage.images.format import decode, encode


def carried(value, *, read_only=False):
    """Return what comes out of the image of `value`, from one block, and the image."""
    image = encode(value)
    block = memoryview(bytearray(image.layout.nbytes))
    buffers = image.layout.split(block)
    for there, here in zip(buffers, image.buffers, strict=True):
        there[:] = here
    return decode(image.stream, [b.toreadonly() for b in buffers] if read_only else buffers), image


def assert_same(a, b):
    assert type(a) is type(b)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    if a.dtype.hasobject:
        assert a.tolist() == b.tolist()
    else:
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
