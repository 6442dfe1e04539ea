"""A value in a few words, whatever it is, and without touching what may be slow or have effects."""

import numpy as np
import pandas as pd
import pytest

from moorage.kernel.values.describe import describe_value


class Explosive:
    @property
    def shape(self):
        raise RuntimeError("do not touch")

    def __repr__(self):
        raise RuntimeError("nor this")


class Shaped:
    shape = (336776, 19)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((8, 2)), ("ndarray", "(8, 2) float64")),
        (np.zeros(3, dtype=[(f"field{i}", "f8") for i in range(9)]), ("ndarray", "(3,)")),
        (Shaped(), ("Shaped", "336,776 × 19")),
        ([0] * 1234, ("list", "1,234 items")),
        ((1,), ("tuple", "1 item")),
        ({}, ("dict", "0 items")),
        ("ab", ("str", "2 characters")),
        (b"abc", ("bytes", "3 bytes")),
        (5, ("int", "")),
        (None, ("NoneType", "")),
        (Explosive(), ("Explosive", "")),
        (Shaped, ("type", "")),
    ],
)
def test_type_and_shape_in_words(value, words):
    assert describe_value(value) == words


def test_a_frame():
    assert describe_value(pd.DataFrame({"a": [1, 2, 3]})) == ("DataFrame", "3 × 1")
    assert describe_value(pd.Series([1.0, 2.0])) == ("Series", "(2,) float64")
