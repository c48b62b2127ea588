"""A layered drawing of a graph without cycles: where its figures stand, and the ways of its edges.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981), in
four steps: layers, so that every edge goes down; an order within each layer with few crossings, by barycentres;
coordinates that keep edges straight; the ways themselves. The third step moves one layer at a time to the places of
its neighbours, as near as the order and the sizes permit: a least-squares problem under ordered bounds, which pooling
adjacent violators solves exactly (Barlow, Bartholomew, Bremner and Brunk 1972).

It knows sizes and numbers, and nothing of programs. The same input gives the same drawing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

__all__ = ["Drawing", "Line", "draw"]

Point = tuple[float, float]
Link = tuple[int, float, float]

GAP = 22.0
"""Between two figures of a layer."""
LANE = 12.0
"""Between an edge on its way through a layer and what stands beside it."""
RISE = 30.0
"""Between two layers."""
SWEEPS = 12
MOST_BENDS = 6000
"""Long edges go straight across what is in between where more places than these would have to be kept free for them."""


class Line(NamedTuple):
    """An edge from figure ``start`` to figure ``end``; it leaves and arrives that far right of their middles."""

    start: int
    end: int
    leaves: float = 0.0
    arrives: float = 0.0


class Drawing(NamedTuple):
    """The middles of the figures, the points of each edge from top to bottom, and the size of the whole."""

    places: list[Point]
    ways: list[list[Point]]
    width: float
    height: float


def draw(
    sizes: Sequence[tuple[float, float]], lines: Sequence[Line], first: Collection[int] = (), last: Collection[int] = ()
) -> Drawing:
    """Place figures of ``sizes`` (width, height) so that ``lines`` lead down.

    ``first`` and ``last`` are figures that must stand in the top and in the bottom layer; no line leads to one of the
    first or from one of the last.

    >>> drawing = draw([(40, 20), (40, 20), (90, 20)], [Line(0, 2), Line(1, 2)])
    >>> drawing.places
    [(20.0, 10.0), (82.0, 10.0), (51.0, 60.0)]
    """
    if not sizes:
        return Drawing([], [], 0.0, 0.0)
    ranks = _ranks(len(sizes), lines, first, last)
    net = _Net(sizes, lines, ranks)
    _order(net)
    across = _across(net)
    return _finish(net, across)


# Layers.


def _ranks(count: int, lines: Sequence[Line], first: Collection[int], last: Collection[int]) -> list[int]:
    """Give each figure the lowest layer that its lines permit, then move down what has more lines below than above."""
    below: list[list[int]] = [[] for _ in range(count)]
    above: list[list[int]] = [[] for _ in range(count)]
    for line in lines:
        below[line.start].append(line.end)
        above[line.end].append(line.start)
    order = [i for i in range(count) if not above[i]]
    waits = [len(up) for up in above]
    for i in order:  # grows as it goes
        for j in below[i]:
            waits[j] -= 1
            if waits[j] == 0:
                order.append(j)
    if len(order) < count:
        raise ValueError("draw: the lines must not form a circle; got one. This is a bug in autotrace.")
    pinned = set(first)
    top = 1 if pinned else 0
    ranks = [0] * count
    for i in order:
        ranks[i] = 0 if i in pinned else max([top, *(ranks[j] + 1 for j in above[i])])
    bottom = max(ranks)
    if last:
        rest = [rank for i, rank in enumerate(ranks) if i not in set(last)]
        bottom = max(rest, default=-1) + 1
        for i in last:
            ranks[i] = bottom
    for i in reversed(order):
        if i not in pinned and below[i] and len(below[i]) > len(above[i]):
            ranks[i] = min(ranks[j] for j in below[i]) - 1
    used = {rank: number for number, rank in enumerate(sorted(set(ranks)))}
    return [used[rank] for rank in ranks]


# The figures with the bends of long edges between them, every link from one layer to the next.


class _Net:
    """Figures and bends as items in layers; ``up`` and ``down`` link an item to items of the next layer.

    A link is (other item, spot there, spot here): how far right of the two middles the edge ends.
    """

    def __init__(self, sizes: Sequence[tuple[float, float]], lines: Sequence[Line], ranks: list[int]) -> None:
        self.figures = len(sizes)
        self.lines = lines
        self.widths = [width for width, _ in sizes]
        self.heights = [height for _, height in sizes]
        self.rank = list(ranks)
        self.up: list[list[Link]] = [[] for _ in sizes]
        self.down: list[list[Link]] = [[] for _ in sizes]
        self.chains: list[list[int] | None] = self._chains()
        self.layers: list[list[int]] = [[] for _ in range(max(ranks) + 1)]
        for item, rank in enumerate(self.rank):
            self.layers[rank].append(item)

    def _chains(self) -> list[list[int] | None]:
        """Make the bends. Lines that leave one figure at one spot share theirs: they part as late as they can."""
        spans: dict[tuple[int, float], int] = {}
        for line in self.lines:
            span = self.rank[line.end] - self.rank[line.start] - 1
            spans[line.start, line.leaves] = max(span, spans.get((line.start, line.leaves), 0))
        longest = max(spans.values(), default=0)
        while sum(span for span in spans.values() if span <= longest) > MOST_BENDS:
            longest //= 2
        shared: dict[tuple[int, float], list[int]] = {}
        linked: set[tuple[int, int, float, float]] = set()
        chains: list[list[int] | None] = []
        for line in self.lines:
            span = self.rank[line.end] - self.rank[line.start] - 1
            if span > longest:
                chains.append(None)
                continue
            chain = shared.setdefault((line.start, line.leaves), [])
            while len(chain) < span:
                bend = self._bend(self.rank[line.start] + len(chain) + 1)
                self._link(chain[-1] if chain else line.start, bend, 0.0 if chain else line.leaves, 0.0)
                chain.append(bend)
            before = chain[span - 1] if span else line.start
            link = (before, line.end, 0.0 if span else line.leaves, line.arrives)
            if link not in linked:
                linked.add(link)
                self._link(*link)
            chains.append(chain[:span])
        return chains

    def _bend(self, rank: int) -> int:
        self.widths.append(0.0)
        self.heights.append(0.0)
        self.rank.append(rank)
        self.up.append([])
        self.down.append([])
        return len(self.rank) - 1

    def _link(self, upper: int, lower: int, leaves: float, arrives: float) -> None:
        self.down[upper].append((lower, arrives, leaves))
        self.up[lower].append((upper, leaves, arrives))

    def room(self, left: int, right: int) -> float:
        """Return how far apart the middles of two neighbours must be at least."""
        gap = GAP if left < self.figures and right < self.figures else LANE
        return (self.widths[left] + self.widths[right]) / 2 + gap


# Order.


def _order(net: _Net) -> None:
    """Order each layer by the barycentres of the neighbours, down and up in turn; keep the best order met."""
    places = [0.0] * len(net.rank)
    for layer in net.layers:
        _number(layer, places, net)
    best = [list(layer) for layer in net.layers]
    fewest = _crossings(net, places)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        downward = sweep % 2 == 0
        links = net.up if downward else net.down
        for layer in net.layers[1:] if downward else net.layers[-2::-1]:
            wish = {
                item: sum(places[other] + there - here for other, there, here in links[item]) / len(links[item])
                if links[item]
                else places[item]
                for item in layer
            }
            layer.sort(key=wish.__getitem__)
            _number(layer, places, net)
        _exchange(net, places)
        crossings = _crossings(net, places)
        if crossings < fewest:
            fewest, best = crossings, [list(layer) for layer in net.layers]
    net.layers = best


def _number(layer: list[int], places: list[float], net: _Net) -> None:
    """Place a layer's items side by side, around zero: what the barycentres of other layers are taken of."""
    at = 0.0
    for k, item in enumerate(layer):
        at += net.room(layer[k - 1], item) if k else 0.0
        places[item] = at
    for item in layer:
        places[item] -= at / 2


def _exchange(net: _Net, places: list[float]) -> None:
    """Exchange neighbours where that saves crossings, once down the layers."""
    for layer in net.layers:
        if len(layer) > 60:
            continue
        ends = {
            item: [sorted(places[other] + there for other, there, _ in links[item]) for links in (net.up, net.down)]
            for item in layer
        }
        changed = False
        for k in range(len(layer) - 1):
            left, right = layer[k], layer[k + 1]
            now = sum(map(_crossed, ends[left], ends[right]))
            if now and now > sum(map(_crossed, ends[right], ends[left])):
                layer[k], layer[k + 1] = right, left
                changed = True
        if changed:
            _number(layer, places, net)


def _crossed(left: list[float], right: list[float]) -> int:
    return sum(1 for a in left for b in right if a > b)


def _crossings(net: _Net, places: list[float]) -> int:
    """Count the crossings between neighbouring layers: pairs of links in one order above and in the other below."""
    total = 0
    for layer in net.layers:
        links = sorted((places[i] + here, places[j] + there) for i in layer for j, there, here in net.down[i])
        total += _inversions([end for _, end in links])
    return total


def _inversions(ends: list[float]) -> int:
    """Count pairs of ``ends`` that stand in the wrong order, by sums over a binary indexed tree (Fenwick 1994)."""
    numbers = {end: k + 1 for k, end in enumerate(sorted(set(ends)))}
    tree = [0] * (len(numbers) + 1)
    total = 0
    for seen, end in enumerate(ends):
        k, not_larger = numbers[end], 0
        while k:
            not_larger += tree[k]
            k &= k - 1
        total += seen - not_larger
        k = numbers[end]
        while k < len(tree):
            tree[k] += 1
            k += k & -k
    return total


# Coordinates.


def _across(net: _Net) -> list[float]:
    """Return the horizontal middle of every item."""
    across = [0.0] * len(net.rank)
    for layer in net.layers:
        _number(layer, across, net)
    both = [net.up[i] + net.down[i] for i in range(len(net.rank))]
    for links, layers in [
        *[(net.up, net.layers), (net.down, net.layers[::-1])] * 6,
        *[(both, net.layers), (both, net.layers[::-1])] * 8,
    ]:
        for layer in layers:
            _settle(layer, links, net, across)
    left = min(x - width / 2 for x, width in zip(across, net.widths, strict=True))
    return [round(x - left, 1) for x in across]


def _settle(layer: list[int], links: list[list[Link]], net: _Net, across: list[float]) -> None:
    """Move a layer's items to their neighbours, bends first of all, without changing their order."""
    blocks: list[list[float]] = []  # weight, mean wish, number of items; wishes less the room that is due on the left
    due, offsets = 0.0, []
    for k, item in enumerate(layer):
        due += net.room(layer[k - 1], item) if k else 0.0
        offsets.append(due)
        weight, wish = 0.01, 0.01 * across[item]
        for other, there, here in links[item]:
            straight = (6.0 if item >= net.figures else 1.0) * (6.0 if other >= net.figures else 1.0)
            weight += straight
            wish += straight * (across[other] + there - here)
        blocks.append([weight, wish / weight - due, 1])
        while len(blocks) > 1 and blocks[-2][1] > blocks[-1][1]:
            weight, wish, size = blocks.pop()
            whole = blocks[-1]
            whole[1] = (whole[0] * whole[1] + weight * wish) / (whole[0] + weight)
            whole[0] += weight
            whole[2] += size
    k = 0
    for _, wish, size in blocks:
        for _ in range(int(size)):
            across[layer[k]] = wish + offsets[k]
            k += 1


# The ways of the edges.


def _finish(net: _Net, across: list[float]) -> Drawing:
    tops, bottoms, y = [], [], 0.0
    for layer in net.layers:
        tops.append(y)
        y += max(net.heights[item] for item in layer)
        bottoms.append(y)
        y += RISE
    places = [(across[i], (tops[net.rank[i]] + bottoms[net.rank[i]]) / 2) for i in range(net.figures)]
    ways = []
    for line, chain in zip(net.lines, net.chains, strict=True):
        (x, y), (u, v) = places[line.start], places[line.end]
        x, u = x + line.leaves, u + line.arrives
        way = [(x, y + net.heights[line.start] / 2), (x, bottoms[net.rank[line.start]])]
        for bend in chain or ():
            rank = net.rank[bend]
            way += [(across[bend], tops[rank]), (across[bend], bottoms[rank])]
        way += [(u, tops[net.rank[line.end]]), (u, v - net.heights[line.end] / 2)]
        ways.append(way)
    width = max(x + wide / 2 for x, wide in zip(across, net.widths, strict=True))
    return Drawing(places, ways, width, bottoms[-1])
