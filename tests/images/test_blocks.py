"""Each piece of an image crosses each link once; whatever is lost on the way, those that are left get all of it."""

from hypothesis import given
from hypothesis import strategies as st

from moorage.images.blocks import PIECE, SOURCE, Distribution, cut, extent, n_pieces
from moorage.images.format import layout


class Network:
    """Carries out orders, one piece at a time, in an order that hypothesis chooses."""

    def __init__(self, pieces, receivers):
        self.distribution = Distribution(pieces, receivers)
        self.has = {receiver: set() for receiver in receivers}
        self.asked = {receiver: {} for receiver in receivers}
        self.cut = set()
        self.sent = {SOURCE: [], **{receiver: [] for receiver in receivers}}
        self.got = {receiver: [] for receiver in receivers}
        self.obey(self.distribution.begin())

    def obey(self, orders):
        for receiver, givers in orders.items():
            for giver, pieces in givers.items():
                assert receiver != giver
                self.asked[receiver].setdefault(giver, []).extend(pieces)

    def ready(self):
        """Return what can be given now: of each link its first piece that the receiver lacks and the giver has."""
        found = []
        for receiver, givers in self.asked.items():
            for giver, pieces in givers.items():
                if giver != SOURCE and (giver not in self.has or (receiver, giver) in self.cut):
                    continue
                while pieces and pieces[0] in self.has[receiver]:
                    pieces.pop(0)
                if pieces and (giver == SOURCE or pieces[0] in self.has[giver]):
                    found.append((receiver, giver))
        return found

    def give(self, receiver, giver):
        piece = self.asked[receiver][giver].pop(0)
        self.has[receiver].add(piece)
        self.sent[giver].append(piece)
        self.got[receiver].append(piece)
        self.distribution.took(receiver, [piece])

    def lose(self, receiver):
        del self.has[receiver], self.asked[receiver]
        self.obey(self.distribution.lost(receiver))

    def separate(self, receiver, other):
        self.cut.add((receiver, other))
        self.obey(self.distribution.apart(receiver, other))


HOSTS = st.integers(1, 6).map(lambda n: [f"h{i}" for i in range(n)])


@given(HOSTS, st.integers(0, 25), st.data())
def test_without_losses_each_piece_crosses_each_link_once(hosts, pieces, data):
    network = Network(pieces, hosts)
    while ready := network.ready():
        network.give(*data.draw(st.sampled_from(ready)))
    assert sorted(network.sent[SOURCE]) == list(range(pieces))
    assert all(sorted(got) == list(range(pieces)) for got in network.got.values())
    assert all(network.distribution.has(host) == pieces for host in hosts)


@given(HOSTS, st.integers(0, 25), st.data())
def test_whatever_is_lost_the_others_get_all(hosts, pieces, data):
    network = Network(pieces, hosts)
    while True:
        left, ready = list(network.has), network.ready()
        what = data.draw(st.sampled_from(["give", "give", "give", "lose", "separate"]))
        if what == "lose" and len(left) > 1:
            network.lose(data.draw(st.sampled_from(left)))
        elif what == "separate" and len(left) > 1:
            one, other = data.draw(st.permutations(left))[:2]
            network.separate(one, other)
        elif ready:
            network.give(*data.draw(st.sampled_from(ready)))
        else:
            break
    assert network.has
    assert all(has == set(range(pieces)) for has in network.has.values())


@given(st.integers(2, 6), st.integers(1, 25), st.data())
def test_the_source_sends_again_only_what_nobody_is_left_to_have(n, pieces, data):
    network = Network(pieces, [f"h{i}" for i in range(n)])
    for _ in range(data.draw(st.integers(0, pieces * n))):
        if ready := network.ready():
            network.give(*data.draw(st.sampled_from(ready)))
    network.lose("h0")
    has = set().union(*network.has.values())
    again = [piece for host in network.has for piece in network.asked[host].get(SOURCE, ())]
    assert len(again) == len(set(again))
    assert not has & set(again)


def test_lost_pieces_are_shared_out_among_those_who_are_left():
    network = Network(12, ["a", "b", "c"])
    orders = network.distribution.lost("a")
    assert {host: len(givers[SOURCE]) for host, givers in orders.items()} == {"b": 2, "c": 2}


@given(st.lists(st.integers(0, 3 * PIECE // 2), max_size=4))
def test_pieces_together_are_the_block(sizes):
    plan = layout(sizes)
    buffers = [memoryview(bytes([number + 1]) * size) for number, size in enumerate(sizes)]
    block = bytearray(plan.nbytes)
    for offset, buffer in zip(plan.offsets, buffers, strict=True):
        block[offset : offset + buffer.nbytes] = buffer
    pieces = [cut(plan, buffers, *extent(piece, plan.nbytes)) for piece in range(n_pieces(plan.nbytes))]
    assert all(piece.nbytes == PIECE for piece in pieces[:-1])
    assert b"".join(pieces) == bytes(block)


def test_a_piece_that_lies_in_one_buffer_is_not_copied():
    buffer = memoryview(bytearray(3 * PIECE))
    piece = cut(layout([buffer.nbytes]), [buffer], PIECE, 2 * PIECE)
    assert piece.obj is buffer.obj
