"""What is under way is known as long as it is, and no longer."""

from moorage.kernel.works import arriving


def test_what_is_told_of_a_transfer_after_its_end_is_not_known():
    known, changes = {}, []
    with arriving("x", known, lambda: changes.append(dict(known))) as progress:
        progress(1, 2)
    progress(2, 2)  # by who was broken off, but had heard of more already
    assert known == {}
    assert changes == [{"x": (1, 2)}, {}]
