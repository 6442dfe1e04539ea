"""Many values in one pickle arrive as what they would have been if sent one by one."""

import pickle

import numpy as np
import pytest

from moorage.images.bundle import Bundle
from moorage.images.format import encode
from tests.images.test_carrier import MODULE, same, table, values  # noqa: F401

OTHERS = {"float": 1.5, "none": None, "flag": True, ("a", 1): "text", "empty": np.arange(0), "int": 2**70}


def arrived(things, module, protocol):
    bundle = Bundle(((key, value, encode(value)) for key, value in things.items()), module)
    return pickle.loads(pickle.dumps(bundle, protocol=protocol))


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("module", [MODULE, "not there"])
def test_each_value_arrives_as_it_was(table, module, protocol):  # noqa: F811
    sent = values() | OTHERS
    assert same(arrived(sent, module, protocol), sent)


def test_the_images_module_knows_each_of_them_by_its_own_image(table):  # noqa: F811
    sent = {"a": np.arange(1000.0), "b": np.arange(2000.0), "c": [1, 2]}
    there = arrived(sent, MODULE, 5)
    for key in ("a", "b"):
        assert table.image_of(there[key]).digest == encode(sent[key]).digest
        assert there[key].ctypes.data % 64 == 0
    assert there["c"] in table
