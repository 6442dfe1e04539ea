"""What is offered where in the line of a magic. No shell, no cluster."""

import pytest

from moorage.jupyter.magics.completion import Names, complete

KNOWN = Names(lambda: ["big", "table"], lambda: ["big", "elsewhere"], lambda: ["alice", "two words"])


@pytest.mark.parametrize(
    ("text", "offers", "not_offered"),
    [
        ("%cluster ", {"start", "attach", "scale", "adapt", "keep", "leave", "stop", "--help"}, {"big"}),
        ("%cluster st", {"start", "stop"}, {"big"}),
        ("%cluster start ", {"--names", "--threads"}, {"start", "--cores"}),
        ("%cluster attach ", {"big", "table", "--as"}, {"alice"}),
        ("%cluster scale ", {"--cores", "--remove"}, {"big"}),
        ("%cluster scale --remove ", {"alice", "'two words'"}, {"big"}),
        ("%scatter ", {"big", "table", "--workers"}, {"elsewhere", "alice"}),
        ("%scatter big ", {"table"}, {"big"}),
        ("%scatter big --by ", {"cores", "workers", "memory"}, {"--whole"}),
        ("%scatter big --whole ", {"table"}, set()),
        ("%scatter big --copies ", set(), {"table", "--whole"}),
        ("%pin ", {"big", "table", "elsewhere"}, {"alice"}),
        ("%pin big --workers ", {"alice", "'two words'", "--force"}, {"big", "table"}),
        ("%pin big --workers alice,", {"'two words'"}, {"alice"}),
        ("%pin big --workers=", {"alice"}, {"big"}),
        ("%pin big --workers al", {"alice"}, {"big"}),
        ("%%pin big --workers ", {"alice"}, {"big"}),
        ("%broadcast t", {"table"}, {"alice"}),
        ("%gather ", {"big", "elsewhere"}, {"table"}),
        ("x = %gather ", {"big", "elsewhere"}, {"table"}),
        ("%release big ", {"elsewhere"}, {"big"}),
        ("%placement ", {"big"}, {"table"}),
        ("%%submit --near ", {"big"}, {"table"}),
        ("%%locality ", {"--no-wait", "--all"}, {"big"}),
        ("%memory ", {"--by", "--all"}, {"big"}),
        ("%memory --by ", {"worker", "name"}, {"cores"}),
        ("%undo ", {"-h"}, {"big"}),
        ("%why ", {"big", "elsewhere", "alice"}, {"--by"}),
        ("%compute ", {"big", "table", "--on"}, {"elsewhere"}),
        ("%persist big --on ", {"table"}, {"alice"}),
        ("%persist big --on big=", {"alice"}, {"table"}),
        ("%persist big --on big=alice t", {"table"}, {"alice"}),
        ("%%submit --workers ", {"alice"}, {"table"}),
    ],
)
def test_what_fits_is_offered(text, offers, not_offered):
    found = set(complete(text, KNOWN))
    assert offers <= found
    assert not found & not_offered


@pytest.mark.parametrize("text", ["", "%timeit ", "x = 7 %pin", "%pin", "%pin big --workers 'al", "print('%pin ')"])
def test_nothing_is_offered_elsewhere(text):
    assert complete(text, KNOWN) == []
