"""What a module says, and what it imports."""

import pytest

from moorage.code.text import Text, absolute, ancestors, digest_of, imports_of


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b, c as d", {"a.b", "c"}),
        ("from a import b, c", {"a", "a.b", "a.c"}),
        ("from . import x", {"pkg", "pkg.x"}),
        ("from .x import f", {"pkg.x", "pkg.x.f"}),
        ("from ...x import f", set()),
        ("def f():\n    if 1:\n        import late", {"late"}),
        ("this is no Python", set()),
        ("x = '\x00'", set()),
    ],
)
def test_imports_are_found_wherever_they_stand(source, found):
    assert imports_of(source.encode(), "pkg.mod", False) == found


def test_relative_imports_of_a_package_begin_at_itself():
    assert absolute("x", 1, "pkg", True) == "pkg.x"
    assert absolute("x", 2, "pkg.sub", True) == "pkg.x"
    assert absolute("x", 2, "pkg", True) == ""
    assert ancestors(["a.b", "c"]) == {"a", "a.b", "c"}


def test_a_digest_covers_text_files_and_kind():
    seen = {
        digest_of(b"ab", {}, False),
        digest_of(b"ab", {}, True),
        digest_of(b"a", {"x": b"b"}, True),
        digest_of(b"a", {"xb": b""}, True),
        digest_of(b"a", {"x": b"", "y": b"b"}, True),
    }
    assert len(seen) == 5


def test_what_is_not_sent_has_the_digest_of_its_file():
    text = Text("fast", "/x/fast.so", not_sent="it is compiled", file_digest="abc")
    assert (text.digest, text.imports) == ("abc", frozenset())
