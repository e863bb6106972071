"""A record of the training text: which lines and which runs of characters it holds, without the text.

The model file carries two Bloom filters: one of the lines, one of the runs of RUN characters. They find every line of
the text, and every copied run of at least ``shortest_run`` characters. They take new text for a copy at small rates,
which they know (``line_rate``, ``run_rate``). Several runs of RUN characters, each one character after the other, make
a longer copied run.

A copy is measured in what is said: of a run of white space, or of one repeated symbol, the first two characters count
and the others do not (``_Squeezer``), so that deep indentation or a ruler of dashes is no copy. Two, because prose has
double letters and blank lines, and measures as it would in full. Records of earlier versions count all characters.

The record of a model that went on with another one has the ``earlier`` records too, of the texts of the models before
it: what is asked of the training text is asked of all of them.

The record also says how long the runs are that the author's own new text repeats (``usual_run``), and it may have a
second record, of the held-out part (``held_out``), which the questions about the training text leave alone.

Together the filters are never larger than CAP. Where there are too many runs for that, winnowing thins them (Schleimer,
Wilkerson and Aiken, 2003): of each ``window`` neighbouring runs, only the one with the lowest hash is kept. A text that
shares RUN + window - 1 characters shares that very run, so that a copy of this length is still always found; it may
look up to window - 1 characters longer at either end.

The hash of c_0 … c_n-1 is Σ mix(c_i) · BASE^i modulo 2^64, and then ``_avalanche`` of it. charlm keeps the sums from
the text's beginning; the hash of a stretch is the difference of two sums, divided by a power of BASE, which has an
inverse because it is odd. Integers of 64 bits are the same on every machine.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import prod
from typing import NamedTuple

import numpy as np

from .bloom import MOST_BYTES, MOST_HASHES, Bloom
from .vocabulary import as_bytes, code_points, text_of

RUN = 16
LINE_BITS, RUN_BITS = 14, 8  # of a filter, for each line and for each run of the text
HELD_OUT_LINE_BITS = 28  # for each line of the held-out part: sampled lines that stand there are few, and counted
CAP = 32 << 20  # bytes of both; the lines take at most half of them, and fewer bits each if they are too many
PIECE = 1 << 15  # characters hashed at a time, so that the arrays stay in the cache
LOOKED_UP = 1 << 20  # characters of texts that are looked up at a time
MEASURED = 1 << 20  # characters of the held-out part, at most, that ``usual_run`` is measured on
SEGMENT = 200  # characters at which ``usual_run`` cuts a longer line
LONGEST_USUAL_RUN = 1 << 20
COPIED_IN_LINES, COPIED_IN_STREAMS = 30, 50  # characters that a sample may copy, at least, of lines and of a stream
MOST_COPIED = 500  # and at most, however much the text repeats itself
HELD_OUT_CAP = 4  # the record of the held-out part has at most 1/4 of CAP
LINE_FEED = 10
_SEPARATOR = np.array([LINE_FEED], np.uint8)  # between two texts
BARRIER = np.uint32(0xFFFFFFFF)  # stands for a line's end between two texts: a run ends there
WHITE = np.zeros(0x3002, bool)  # by code point; the last entry is for all higher ones
WHITE[[*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F]] = (
    True
)
WHITE[0x3000] = True
WHITE_BYTES = WHITE.copy()
WHITE_BYTES[128:] = False  # these bytes are parts of characters
BASE = 0x9E6D62D06F6A9A9B
_MASK = (1 << 64) - 1
_powers: tuple[np.ndarray, np.ndarray] = (np.ones(1, np.uint64),) * 2


def _powers_of_base(count: int) -> tuple[np.ndarray, np.ndarray]:
    """BASE^i and BASE^-i modulo 2^64, for i < count at least, uint64."""
    global _powers
    if len(_powers[0]) < count:
        count, rows = 5 * max(count, PIECE) // 4, []
        for base in (BASE, pow(BASE, -1, 1 << 64)):
            row = np.full(count, base, np.uint64)
            row[0] = 1
            rows.append(np.cumprod(row))
        _powers = tuple(rows)
    return _powers


def _avalanche(x: np.ndarray) -> np.ndarray:
    """A reversible map of uint64 under which every bit depends on all bits."""
    x = x ^ (x >> 32)
    x *= 0xD6E8FEB86659FD93
    x ^= x >> 29
    x *= 0xA24BAED4963EE407
    x ^= x >> 32
    return x


class _Hashed:
    """The hashes of all stretches of a text. points: its code points or bytes, (n)."""

    def __init__(self, points: np.ndarray):
        self.powers, self.inverse = _powers_of_base(len(points) + 1)
        mixed = points.astype(np.uint64) + 1
        mixed *= 0xC2B2AE3D27D4EB4F
        mixed ^= mixed >> 31
        mixed *= self.powers[: len(points)]
        self.sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)))

    def stretches(self, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The hashes of begin[i]…end[i]-1, before ``_avalanche``, because hashes of parts can still be put together."""
        return (self.sums[end] - self.sums[begin]) * self.inverse[begin]

    def runs(self, run: int, window: int) -> np.ndarray:
        """For each span of run + window - 1 characters, the lowest hash of its runs, after ``_avalanche``."""
        count = max(0, len(self.sums) - run)
        lowest = _avalanche((self.sums[run:] - self.sums[:count]) * self.inverse[:count])
        width = 1
        while width < window:  # the lowest of 2·width is the lower one of two neighbours of width
            further = min(width, window - width)
            lowest = np.minimum(lowest[:-further], lowest[further:])
            width += further
        return lowest


def _unbroken(broken: np.ndarray, span: int) -> np.ndarray:
    """For each span of ``span`` positions, whether none of them is broken: bool (n - span + 1)."""
    before = np.concatenate(([0], np.cumsum(broken)))
    return before[span:] == before[:-span]


def _lengths(copied: np.ndarray, shortest_run: int, characters: int) -> np.ndarray:
    """For each character, the length of the copied run that ends with it, 0 if none does. copied: for each span of
    ``shortest_run`` characters, whether it is a copy, bool (n)."""
    numbers = np.arange(len(copied))
    start = np.maximum.accumulate(np.where(copied, -1, numbers)) + 1  # of the run of copied spans
    lengths = np.zeros(characters, np.int64)
    lengths[shortest_run - 1 :][: len(copied)] = np.where(copied, numbers + shortest_run - start, 0)
    return lengths


class _Squeezer:
    """Says which characters of a text count: all but the third and later ones of a run of white space, or of one
    repeated symbol. The text may come in pieces."""

    def __init__(self, in_bytes: bool):
        self._white = WHITE_BYTES if in_bytes else WHITE
        self._before = np.full(2, BARRIER)  # the last two characters of the piece before

    def kept(self, points: np.ndarray, barriers: np.ndarray | None = None) -> np.ndarray:
        """Which characters count, bool (n). points: (n); barriers: where texts end, (n) bool or indices. A barrier
        counts, and what stands before it is forgotten after it."""
        joined = np.concatenate((self._before, points.astype(np.uint32, copy=False)))
        if barriers is not None:
            joined[2:][barriers] = BARRIER
        same = joined[1:] == joined[:-1]
        white = self._white.take(joined, mode="clip")
        dropped = (same[1:] & same[:-1]) | (white[2:] & white[1:-1] & white[:-2])
        self._before = joined[-2:]
        return ~dropped | (joined[2:] == BARRIER)


class Trail(NamedTuple):
    """What a record needs of a text to say how long a run becomes when the text goes on.

    said: the last characters that count, code points or bytes, (n). run: characters of the copied run that the text
    ends with, 0 where it is too short to be found; held_out_run: the same in the record of the held-out part. earlier:
    the trails in the earlier records, () before the first text.
    """

    said: np.ndarray = np.zeros(0, np.uint8)
    run: int = 0
    held_out_run: int = 0
    earlier: "tuple[Trail, ...]" = ()


class Followed(NamedTuple):
    """A text that stands after a trail: the trail at its end, and its longest copied run in either record."""

    trail: Trail
    longest: int
    longest_held_out: int

    def with_earlier(self, other: "Followed") -> "Followed":
        """The same with what an earlier record says of the text."""
        trail = self.trail._replace(earlier=(*self.trail.earlier, other.trail))
        held_out = max(self.longest_held_out, other.longest_held_out)
        return Followed(trail, max(self.longest, other.longest), held_out)


class Novelty:
    """Knows which lines and which runs of characters (bytes at the byte level) the training text holds.

    in_bytes: the text is bytes, not characters. lines, runs: the filters of its lines and of its runs. window: see
    above, 1 where every run is kept. squeezed: the runs are of what is said (see above), and so are all lengths;
    usual_run: characters of the runs that nine tenths of the author's own new lines do not exceed, 0 if it was not
    measured; held_out: the record of the held-out part, None without one. earlier: records of earlier texts, the last
    one first, which have no earlier ones of their own. Texts are given without their line's end.
    Questions about many texts at once take much less time for each text.
    """

    def __init__(
        self,
        in_bytes: bool,
        lines: Bloom,
        runs: Bloom,
        window: int = 1,
        run: int = RUN,
        *,
        squeezed: bool = False,
        usual_run: int = 0,
        held_out: "Novelty | None" = None,
        earlier: "Sequence[Novelty]" = (),
    ):
        self.in_bytes, self.lines, self.runs, self.window, self.run = in_bytes, lines, runs, window, run
        self.squeezed, self.usual_run, self.held_out, self.earlier = squeezed, usual_run, held_out, tuple(earlier)
        self.inside: Callable[[str], str] = str  # a person's text → as the model reads it, which sets this

    @staticmethod
    def of_text(
        pieces: Callable[[], Iterable[np.ndarray]],
        in_bytes: bool,
        separate: bool = False,
        cap: int | None = None,
        run: int = RUN,
        *,
        line_bits: int = LINE_BITS,
        held_out: Callable[[], Iterable[np.ndarray]] | None = None,
    ) -> "Novelty":
        """The record of a text, which is read twice.

        pieces: a function that returns the text as arrays of code points or bytes, each line with its end. separate:
        each line is a text of its own, and no run crosses a line's end. cap: bytes of both filters, at most, None for
        CAP. line_bits: of the filter, for each line. held_out: as pieces, the held-out part; without one, ``usual_run``
        is measured on the last tenth of the text, against all that stands before it.
        """
        cap = CAP if cap is None else cap
        lines, runs, characters = _count(_small(pieces()), separate, run, in_bytes)
        line_bytes = min(-(-lines * line_bits // 8), cap // 2)
        room = cap - line_bytes
        window = max(1, -(-2 * runs * RUN_BITS // (8 * room)) - 1)  # the narrowest whose runs have room
        kept = runs * 2 / (window + 1)  # winnowing keeps this many, on average
        run_bytes = min(-(-int(kept * RUN_BITS) // 8), room)
        filters = Bloom.of_size(line_bytes, lines), Bloom.of_size(run_bytes, kept)
        novelty = Novelty(in_bytes, *filters, window, run, squeezed=True)
        if held_out is None:
            novelty._add(novelty._measured(_small(pieces()), characters - characters // 10, separate), separate)
            return novelty
        novelty._add(_small(pieces()), separate)
        limits = {"cap": cap // HELD_OUT_CAP, "line_bits": HELD_OUT_LINE_BITS}
        other = Novelty.of_text(held_out, in_bytes, separate, run=run, **limits)
        if other.has_text:
            novelty._measure(_first(_small(held_out()), MEASURED), separate)
            novelty.held_out = other
        return novelty

    def after(self, other: "Novelty") -> "Novelty":
        """This record together with that of an earlier text, of which the model has learnt too."""
        earlier = other.records
        if np.array_equal(earlier[0].bits, self.bits):  # of the same text
            earlier = earlier[1:]
        return self._with(earlier)

    def _with(self, earlier: "Sequence[Novelty]") -> "Novelty":
        """The record of this text, with these earlier ones."""
        parts = self.lines, self.runs, self.window, self.run
        fields = {"squeezed": self.squeezed, "usual_run": self.usual_run, "held_out": self.held_out}
        return Novelty(self.in_bytes, *parts, **fields, earlier=earlier)

    @property
    def alone(self) -> "Novelty":
        """This record without the earlier ones."""
        return self._with(()) if self.earlier else self

    @property
    def records(self) -> "list[Novelty]":
        """The record of each text, the last one first."""
        return [self.alone, *self.earlier]

    @property
    def held_outs(self) -> "list[Novelty]":
        """The records of the held-out parts, the last one first."""
        return [record.held_out for record in self.records if record.held_out is not None]

    def _add(self, pieces, separate):
        squeezer = _Squeezer(self.in_bytes)
        kept = np.zeros(0, np.uint32)  # the end of the text so far, in which spans begin that are not whole yet
        line, length = 0, 0  # hash and length of the line that has not ended yet
        for piece in pieces:
            counted = squeezer.kept(piece, piece == LINE_FEED if separate else None) if self.squeezed else None
            whole = counted is None or counted.all()
            points = np.concatenate((kept, piece if whole else piece[counted]))
            hashed = _Hashed(points)
            in_full, offset = (hashed, len(kept)) if whole else (_Hashed(piece), 0)
            ends = np.flatnonzero(piece == LINE_FEED) + offset
            begins = np.concatenate(([offset], ends + 1))
            parts = in_full.stretches(begins, np.append(ends, len(piece) + offset))
            parts[0] = (line + pow(BASE, length, 1 << 64) * int(parts[0])) & _MASK
            line = int(parts[-1])
            length = len(piece) + offset - int(begins[-1]) + (length if not len(ends) else 0)
            self.lines.add(_avalanche(parts[:-1]))
            runs = hashed.runs(self.run, self.window)
            if separate and len(runs):
                runs = runs[_unbroken(points == LINE_FEED, self.shortest_run)]
            self.runs.add(runs[np.flatnonzero(np.diff(runs, prepend=~runs[:1]))])
            kept = points[max(0, len(points) - self.shortest_run + 1) :]

    def _measured(self, pieces, start, separate):
        """The same pieces. Where character number ``start`` is reached, ``usual_run`` is measured on what follows,
        while the filters hold only what stands before."""
        for piece in pieces:
            if len(piece) <= start:
                start -= len(piece)
                yield piece
                continue
            if start:
                yield piece[:start]
            following = [piece[start:], *islice(pieces, MEASURED // PIECE - 1)]
            self._measure(following, separate)
            yield from following
            yield from pieces
            return

    def _measure(self, pieces, separate):
        """Set ``usual_run``: for each line (or SEGMENT characters of a longer one), how long is the longest copied run
        that ends in it? Nine tenths of the lines have no longer one."""
        points = np.concatenate([np.zeros(0, np.uint32), *pieces])
        ends = points == LINE_FEED
        kept = self._kept(points, ends if separate else None)
        spans = _Hashed(points[kept]).runs(self.run, self.window)
        if not len(spans):
            return
        copied = self.runs.contains(spans)
        if separate:
            copied &= _unbroken(ends[kept], self.shortest_run)
        lengths = np.concatenate(([0], _lengths(copied, self.shortest_run, int(kept.sum()))))
        cuts = _cuts(np.flatnonzero(ends) + 1, len(points))
        said = np.unique(np.cumsum(kept)[cuts - 1])
        longest = np.maximum.reduceat(lengths, np.concatenate(([0], said[said < len(lengths) - 1] + 1)))
        self.usual_run = min(LONGEST_USUAL_RUN, int(np.quantile(longest, 0.9, method="higher")))

    def _kept(self, points, barriers=None):
        """Which characters count, bool (n): see ``_Squeezer``."""
        return _Squeezer(self.in_bytes).kept(points, barriers) if self.squeezed else np.ones(len(points), bool)

    @property
    def has_text(self) -> bool:
        """Whether any line or run was added."""
        return bool(self.lines.bits.any() or self.runs.bits.any())

    def as_dict(self) -> dict:
        """The fields that a file must have besides the bits of the filters."""
        fields = {
            "run": self.run,
            "window": self.window,
            "line_bytes": len(self.lines.bits),
            "line_hashes": self.lines.hashes,
            "run_bytes": len(self.runs.bits),
            "run_hashes": self.runs.hashes,
        }
        if self.squeezed:
            fields |= {"usual_run": self.usual_run, "held_out": self.held_out and self.held_out.as_dict()}
        return fields | ({"earlier": [record.as_dict() for record in self.earlier]} if self.earlier else {})

    @property
    def bits(self) -> np.ndarray:
        """The bits of both filters, the lines' filter first, then those of the held-out part, then those of the earlier
        records, uint8 (bytes)."""
        others = [self.held_out] if self.held_out else []
        return np.concatenate((self.lines.bits, self.runs.bits, *(one.bits for one in (*others, *self.earlier))))

    def summary(self) -> dict:
        """``as_dict``, the shortest run that is always found, and the rates of mistakes."""
        return self.as_dict() | {
            "shortest_run": self.surest_run,
            "line_false_positive_rate": self.line_rate,
            "run_false_positive_rate": self.run_rate,
        }

    @property
    def shortest_run(self) -> int:
        """Characters of the shortest copied run that the filter of this text finds; shorter runs are not found."""
        return self.run + self.window - 1

    @property
    def surest_run(self) -> int:
        """Characters of the shortest copied run that is always found, whichever of the texts it is in."""
        return max(record.shortest_run for record in (self, *self.earlier))

    def default_limit(self, lines: bool) -> int:
        """How many characters in a row a sample may copy: as many as nine tenths of the author's own new lines repeat,
        within bounds, and no fewer than the record can tell. lines: the model is one of lines."""
        least = max(COPIED_IN_LINES if lines else COPIED_IN_STREAMS, self.surest_run - 1)
        return max(least, min(self.usual_run, MOST_COPIED))

    @property
    def line_rate(self) -> float:
        """The fraction of new lines that are taken for lines of the training text, or of an earlier one."""
        return _rate_of_any(record.lines for record in (self, *self.earlier))

    @property
    def run_rate(self) -> float:
        """The fraction of new runs of ``surest_run`` characters that are taken for copies."""
        return _rate_of_any(record.runs for record in (self, *self.earlier))

    def contains_line(self, text: str | bytes) -> bool:
        """Whether the text is a whole line of the training text."""
        return bool(self.contains_lines([self.inside(text) if isinstance(text, str) else text])[0])

    def longest_copied_run(self, text: str | bytes) -> int:
        """Characters of the longest run of the text that the training text holds; 0 below ``shortest_run``."""
        return int(self.longest_copied_runs([self.inside(text) if isinstance(text, str) else text])[0])

    def contains_lines(self, texts: Iterable[str | bytes]) -> np.ndarray:
        """``contains_line`` of each text, bool (texts)."""
        found = [np.zeros(0, bool)]
        for points, begins, ends in self._together(texts):
            hashes = _avalanche(_Hashed(points).stretches(begins, ends))
            found.append(np.logical_or.reduce([record.lines.contains(hashes) for record in (self, *self.earlier)]))
        return np.concatenate(found)

    def longest_copied_runs(self, texts: Iterable[str | bytes]) -> np.ndarray:
        """``longest_copied_run`` of each text, int64 (texts)."""
        if self.earlier:
            texts = list(texts)
            return np.maximum.reduce([record.longest_copied_runs(texts) for record in self.records])
        longest = [np.zeros(0, np.int64)]
        for points, begins, ends in self._together(texts):
            longest.append(np.zeros(len(begins), np.int64))
            kept = self._kept(points, ends[:-1])
            before = np.concatenate(([0], np.cumsum(kept)))
            begins = before[begins]
            starts, stops = self._copied(points[kept], before[ends])
            np.maximum.at(longest[-1], np.searchsorted(begins, starts, "right") - 1, stops - starts)
        return np.concatenate(longest)

    def copied_runs(self, text: str | bytes) -> list[tuple[int, int]]:
        """The runs of a text that the training text holds, in order, as (start, stop) in the text; they may overlap.
        A run includes the characters within it that do not count."""
        if self.earlier:
            return sorted({run for record in self.records for run in record.copied_runs(text)})
        points = self._points(text)
        positions = np.flatnonzero(self._kept(points))
        runs = self._copied_in(points[positions])
        return [(int(positions[start]), int(positions[stop - 1]) + 1) for start, stop in runs]

    def follow(self, trails: Sequence[Trail], texts: Sequence[str | bytes], limit: int = 0) -> list[Followed]:
        """What becomes of each trail where a text follows it. Much cheaper than to ask about the whole text again.

        limit: no run of a trail is longer; only ``ExactNovelty`` needs it.
        """
        followed = self._follow(trails, texts, limit)
        for number, record in enumerate(self.earlier):
            before = [trail.earlier[number] if trail.earlier else Trail() for trail in trails]
            pairs = zip(followed, record.follow(before, texts, limit), strict=True)
            followed = [one.with_earlier(other) for one, other in pairs]
        return followed

    def _follow(self, trails, texts, limit):
        """``follow`` in the record of this text alone."""
        joined, sizes = [], []
        for trail, text in zip(trails, texts, strict=True):
            points = self._points(text)
            joined += [trail.said, points, _SEPARATOR]
            sizes.append(len(trail.said) + len(points) + 1)
        points, stops = np.concatenate(joined), np.cumsum(sizes) - 1
        kept = self._kept(points, stops)
        before = np.concatenate(([0], np.cumsum(kept)))
        points, stops = points[kept], before[stops]
        begins = np.concatenate(([0], stops[:-1] + 1))
        hashed, known = _Hashed(points), np.array([len(trail.said) for trail in trails])
        spans, old = hashed.runs(self.run, self.window), [trail.run for trail in trails]
        ends, longest = self._runs_after(spans, begins, stops, known, old)
        held_out_ends, longest_held_out, other = [0] * len(trails), [0] * len(trails), self.held_out
        if other is not None:
            if (other.run, other.window) != (self.run, self.window):
                spans = hashed.runs(other.run, other.window)
            old = [trail.held_out_run for trail in trails]
            held_out_ends, longest_held_out = other._runs_after(spans, begins, stops, known, old)
        context = self._context(limit)
        said = [points[max(begin, stop - context) : stop] for begin, stop in zip(begins, stops, strict=True)]
        after = map(Trail, said, ends, held_out_ends)
        return list(map(Followed, after, longest, longest_held_out))

    def _context(self, limit):
        """How many characters that count a trail has to keep: two say whether the next one counts."""
        return max(3, *(record.shortest_run for record in (self, self.held_out or self))) - 1

    def _runs_after(self, spans, begins, stops, known, old):
        """For each text, the copied run that it ends with, and its longest one. begins, stops: where the texts stand,
        each with a separator after it; known: how many characters each begins with that were followed before; old: the
        copied run that these end with."""
        copied, old = self.runs.contains(spans), np.array(old)
        ends = longest = np.zeros(len(begins), np.int64)
        if copied.any():
            broken = np.zeros(stops[-1] + 1, bool)
            broken[stops] = True
            copied &= _unbroken(broken, self.shortest_run)
            lengths = _lengths(copied, self.shortest_run, len(broken))
            sizes = stops + 1 - begins
            more = np.maximum(0, old - known)  # of a run that began before what its trail has kept
            if more.any():
                reaches_begin = lengths == np.arange(1, len(lengths) + 1) - np.repeat(begins, sizes)
                lengths += np.repeat(more, sizes) * reaches_begin
            ends, longest = lengths[stops - 1] * (stops > begins), np.maximum.reduceat(lengths, begins)
        return np.where(stops - begins == known, old, ends).tolist(), longest.tolist()

    def _copied_in(self, points):
        """The copied runs of one text, of which all characters count, as (start, stop)."""
        return list(zip(*(cuts.tolist() for cuts in self._copied(points, np.array([len(points)]))), strict=True))

    def _copied(self, points, ends):
        """Start and stop of each copied run, (r) and (r). ends: where the texts end, and separators stand."""
        spans = _Hashed(points).runs(self.run, self.window)
        if not len(spans):
            return np.zeros((2, 0), np.int64)
        broken = np.zeros(len(points), bool)
        broken[ends[:-1]] = True
        candidates = np.flatnonzero(_unbroken(broken, self.shortest_run))
        seen = np.zeros(len(spans) + 2, np.int8)
        seen[candidates + 1] = self.runs.contains(spans[candidates])
        changes = np.diff(seen)
        return np.flatnonzero(changes == 1), np.flatnonzero(changes == -1) + self.shortest_run - 1

    def _points(self, text):
        text = self._as_read(text)
        return np.frombuffer(text, np.uint8) if self.in_bytes else code_points(text)

    def _as_read(self, text):
        """A text as bytes or as a string, whichever the record is of."""
        if self.in_bytes:
            return as_bytes(text)
        return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text

    def _together(self, texts) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Texts joined into arrays of about LOOKED_UP characters, a line feed between two: (points, where each text
        begins, where it ends)."""
        texts = iter(texts)
        while True:
            joined, size = [], 0
            for text in texts:
                joined.append(self._as_read(text))
                size += len(joined[-1]) + 1
                if size > LOOKED_UP:
                    break
            if not joined:
                return
            lengths = np.array(list(map(len, joined)))
            ends = np.cumsum(lengths + 1) - 1
            yield self._points((b"\n" if self.in_bytes else "\n").join(joined)), ends - lengths, ends


def check_fields(fields: dict) -> int:
    """The bytes of the filters with these fields (see ``as_dict``), those of the held-out part included. Raises
    ValueError where the fields cannot be."""
    limits = {
        "run": (1, 1 << 10),
        "window": (1, 1 << 16),
        "line_bytes": (0, MOST_BYTES),
        "line_hashes": (1, MOST_HASHES),
        "run_bytes": (0, MOST_BYTES),
        "run_hashes": (1, MOST_HASHES),
    }
    held_out, earlier = None, []
    if isinstance(fields, dict) and "usual_run" in fields:
        limits["usual_run"] = 0, LONGEST_USUAL_RUN
        fields = dict(fields)
        held_out, earlier = fields.pop("held_out", 0), fields.pop("earlier", [])
        if not isinstance(earlier, list) or any(not isinstance(one, dict) or "earlier" in one for one in earlier):
            raise ValueError("its records of earlier texts are not described")
    if not isinstance(fields, dict) or set(fields) != set(limits):
        raise ValueError("its record of the training text is not described")
    for name, (least, most) in limits.items():
        if type(fields[name]) is not int or not least <= fields[name] <= most:
            raise ValueError(f"its record of the training text has a {name} that cannot be")
    of_held_out = 0
    if held_out is not None:
        if not isinstance(held_out, dict) or held_out.get("held_out", 0) is not None:  # it has none of its own
            raise ValueError("its record of the held-out part is not described")
        of_held_out = check_fields(held_out)
    return fields["line_bytes"] + fields["run_bytes"] + of_held_out + sum(map(check_fields, earlier))


def from_fields(fields: dict, bits: np.ndarray, in_bytes: bool) -> Novelty:
    """The record that ``as_dict`` described. bits: of its filters one after the other, uint8 (bytes)."""
    line_stop = fields["line_bytes"]
    run_stop = line_stop + fields["run_bytes"]
    held_out, earlier = fields.get("held_out"), []
    stop = run_stop + (check_fields(held_out) if held_out else 0)
    for one in fields.get("earlier", ()):
        start, stop = stop, stop + check_fields(one)
        earlier.append(from_fields(one, bits[start:stop], in_bytes))
    return Novelty(
        in_bytes,
        Bloom(bits[:line_stop], fields["line_hashes"]),
        Bloom(bits[line_stop:run_stop], fields["run_hashes"]),
        fields["window"],
        fields["run"],
        squeezed="usual_run" in fields,
        usual_run=fields.get("usual_run", 0),
        held_out=from_fields(held_out, bits[run_stop:], in_bytes) if held_out else None,
        earlier=earlier,
    )


def _rate_of_any(filters: Iterable[Bloom]) -> float:
    """The fraction of new hashes that at least one of the filters takes for a member."""
    return 1 - prod(1 - one.false_positive_rate for one in filters)


class ExactNovelty(Novelty):
    """Answers the same questions without false positives: it searches the text itself for what the filters find.

    pieces: the text, as ``reading.read_text`` gives it (bytes at byte level); it is kept in memory. run: the shortest
    run that is searched; ``shortest_run`` is longer only where the text has hundreds of megabytes.
    """

    def __init__(self, pieces: Iterable[str] | Iterable[bytes], run: int = RUN):
        pieces = list(pieces)
        in_bytes = bool(pieces) and isinstance(pieces[0], bytes)
        self.text = (b"" if in_bytes else "").join(pieces)
        del pieces
        self._end = b"\n" if in_bytes else "\n"
        cap = min(max(CAP, 2 * len(self.text)), MOST_BYTES)
        filters = Novelty.of_text(self._text_in_points, in_bytes, cap=cap, run=run)
        lines, runs, usual_run = filters.lines, filters.runs, filters.usual_run
        super().__init__(in_bytes, lines, runs, filters.window, run, squeezed=True, usual_run=usual_run)
        squeezer = _Squeezer(in_bytes)
        self._said = self._as_text([piece[squeezer.kept(piece)] for piece in self._text_in_points()])

    def _text_in_points(self):
        for start in range(0, len(self.text), PIECE):
            piece = self.text[start : start + PIECE]
            yield np.frombuffer(piece, np.uint8) if isinstance(piece, bytes) else code_points(piece)

    @property
    def line_rate(self) -> float:
        return 0.0

    @property
    def run_rate(self) -> float:
        return 0.0

    def contains_lines(self, texts):
        texts = list(texts)
        found = super().contains_lines(texts)
        for number in np.flatnonzero(found):
            found[number] = self._is_line(self._of_kind(texts[number]))
        return found

    def longest_copied_runs(self, texts):
        texts = list(texts)
        longest = super().longest_copied_runs(texts)
        for number in np.flatnonzero(longest):
            points = self._points(texts[number])
            runs = self._copied_in(points[self._kept(points)])
            longest[number] = max((end - begin for begin, end in runs), default=0)
        return longest

    def follow(self, trails, texts, limit=0):
        """As ``Novelty.follow``. limit: no run of a trail is longer."""
        followed = super().follow(trails, texts, limit)
        for number, (trail, found, _) in enumerate(followed):
            if found:
                points = np.concatenate((trails[number].said, self._points(texts[number])))
                points = points[self._kept(points)]
                runs = self._copied_in(points)
                longest = max((stop - start for start, stop in runs), default=0)
                run = max((stop - start for start, stop in runs if stop == len(points)), default=0)
                followed[number] = Followed(trail._replace(run=run), longest, 0)
        return followed

    def _context(self, limit):
        return max(limit, super()._context(limit))

    def _copied_in(self, points):
        """As ``Novelty._copied_in``; none is part of another."""
        # for each run: first a position that it reaches, then its start, then its stop
        text, said, found = self._as_text([points]), self._said, []
        for begin, end in super()._copied_in(points):
            reached = begin + self.shortest_run  # the next run stops here or later
            while reached <= end:
                start = reached - self.shortest_run
                if text[start:reached] not in said:
                    reached += 1
                    continue
                start = bisect_left(range(start), True, begin, key=lambda start: text[start:reached] in said)
                begin, stop = start + 1, end
                if text[start:end] not in said:
                    stop = bisect_left(range(end), True, reached, key=lambda stop: text[start : stop + 1] not in said)
                found.append((start, stop))
                reached = stop + 1
        return found

    def _as_text(self, pieces):
        """Code points or bytes as a text of the kind of the training text."""
        joined = np.concatenate([np.zeros(0, np.uint8), *pieces])
        if self.in_bytes:
            return joined.astype(np.uint8).tobytes()
        return text_of(joined)

    def _of_kind(self, text):
        """A text as bytes or as characters, whichever the training text is."""
        if self.in_bytes:
            return as_bytes(text)
        return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text

    def _is_line(self, line):
        end = self._end
        return end not in line and (self.text.startswith(line + end) or end + line + end in self.text)


def _small(pieces: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same text in pieces of at most PIECE characters, none of them empty."""
    for piece in pieces:
        for start in range(0, len(piece), PIECE):
            yield piece[start : start + PIECE]


def _first(pieces: Iterable[np.ndarray], characters: int) -> list[np.ndarray]:
    """The first pieces of a text, with about so many characters."""
    return list(islice(pieces, -(-characters // PIECE)))


def _cuts(line_ends: np.ndarray, characters: int) -> np.ndarray:
    """Where the segments of a text end: at each line's end, and every SEGMENT characters of a longer line."""
    starts = np.concatenate(([0], line_ends))
    lengths = np.diff(np.append(starts, characters))
    parts = np.maximum(1, -(-lengths // SEGMENT))
    firsts = np.cumsum(parts) - parts
    numbers = np.arange(parts.sum()) - np.repeat(firsts, parts) + 1
    cuts = np.minimum(np.repeat(starts, parts) + numbers * SEGMENT, np.repeat(starts + lengths, parts))
    return cuts[cuts > 0]


def _count(pieces, separate, run=RUN, in_bytes=False) -> tuple[int, int, int]:
    """The number of line ends, of runs of ``run`` characters that count, and of characters."""
    lines = characters = counted = runs = 0
    length = 0  # of the line that has not ended yet
    squeezer = _Squeezer(in_bytes)
    for piece in pieces:
        characters, lines = characters + len(piece), lines + int(np.count_nonzero(piece == LINE_FEED))
        piece = piece[squeezer.kept(piece, piece == LINE_FEED if separate else None)]
        ends = np.flatnonzero(piece == LINE_FEED)
        counted += len(piece)
        if separate:
            lengths = np.diff(ends, prepend=-1) - 1
            lengths[:1] += length
            runs += int(np.maximum(lengths - run + 1, 0).sum())
            length = len(piece) - 1 - int(ends[-1]) if len(ends) else length + len(piece)
    return lines, runs + max(0, length - run + 1) if separate else max(0, counted - run + 1), characters
