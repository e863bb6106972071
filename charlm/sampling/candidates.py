"""Chains of tokens, drawn side by side and judged as they end.

What may not be shown (see ``acceptance``) is refused in units: the whole sample for a model of lines, and a line for
a stream (or UNIT tokens of it, for a text that has no line ends), so that a long text does not fail for one word.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..model import Model
from ..network.stepper import Stepper, copy_row, take_rows
from ..text.vocabulary import EOS, UNKNOWN, as_bytes
from .acceptance import Rules, Sample, SamplingCounts
from .decoding import Decoding
from .prompt import Prompt, line_of
from .random_streams import RandomNumbers
from .segments import Segments

SIDE_BY_SIDE = 512  # chains at most; a step takes as many calls of NumPy for fewer
TOGETHER = 64  # lines that are looked up together
UNIT = 200  # tokens of a stream after which they count as settled even though the line has not ended
UNIT_ENDS, SAMPLE_ENDS = "the unit ends", "the sample ends"


@dataclass
class Candidate:
    """One candidate: what of it is settled, and the unit that may yet be refused.

    key: that of its random numbers, of which so many were drawn when it left its row; pieces: what was settled since
    somebody last took it; sample: all of it, once it is whole.
    """

    number: int
    key: int
    drawn: int = 0
    tokens: list[int] = field(default_factory=list)
    nats: float = 0.0
    characters: int = 0  # of tokens
    unit: list[int] = field(default_factory=list)  # as far as it was looked at; ``Segments`` has it whole
    units: int = 0  # settled
    line: list[int] = field(default_factory=list)  # settled tokens of the line that goes on, prime included
    tail: str = ""  # the end of the settled text, in which a copied run may have begun
    copied: int | None = None  # the longest copied run
    pieces: list[str] = field(default_factory=list)
    sample: Sample | None = None
    fell: bool = False  # it was refused as a whole before


class Candidates:
    """Draws candidates, as many at a time as there are rows, and tells ``tally`` of what it refuses.

    candidates: (number, key of its random numbers) of each; they are begun in this order.
    """

    def __init__(
        self,
        model: Model,
        choice: Decoding,
        rules: Rules,
        frame: Prompt,
        tally: SamplingCounts,
        candidates: Iterable[tuple[int, int]],
    ):
        self.choice, self.rules, self.frame, self.tally = choice, rules, frame, tally
        self.lines, self.vocabulary = model.lines, model.vocabulary
        self.walk, self.candidates, self.again = (
            Stepper(model.architecture, model.parameters, few=not model.lines),
            iter(candidates),
            deque(),
        )
        self.start, nats = self.walk.begin([*frame.prime, *frame.start])
        self.start_nats = sum(nats[len(frame.prime) :])
        self.prime_line = line_of(frame.prime)
        self.prime_text = self.vocabulary.decode(self.prime_line)
        self.widths = character_widths(model)
        self.stop_tokens = max((len(as_bytes(text)) for text in frame.stop), default=0)
        self.rows: list[Candidate | None] = []  # None where one is idle
        self.random = RandomNumbers()  # those of each row
        self.units = Segments(self.widths, rules.max_length)
        self.parked: list[tuple[Candidate, str]] = []  # lines without a fault that are still to be looked up
        self.none_waits = False  # no candidate is left to be begun
        self.now = take_rows(self.start, [])  # where each row stands
        self.settled = [] if model.lines else self.now  # where its last unit was settled: a line begins anew

    def redraw(self, chain: Candidate) -> None:
        """Begin a candidate anew, with its next random numbers."""
        self.again.append((chain.number, chain.key, chain.drawn))

    def advance(self) -> list[Candidate]:
        """Take every chain one token further; those of which something was settled.

        Raises SamplingError where too many are refused in a row.
        """
        self._fill_rows()
        tokens, nats = self.choice.draw(self.now[-1], self.random.draw())
        self.now = self.walk.step(self.now, tokens)
        rows = self.units.add(tokens, nats)
        if self.frame.stop:  # it may end anywhere
            rows = [row for row, chain in enumerate(self.rows) if chain is not None]
        ended = []
        for row in rows:
            chain = self.rows[row]
            chain.unit += self.units.since(row, len(chain.unit))
            ending = self._ending(chain)
            if ending:
                ended.append((row, ending))
        return self._judge(ended)

    # Rows

    def _fill_rows(self):
        """Begin chains in the free rows; have as many rows as there are chains to draw."""
        live = [row for row, chain in enumerate(self.rows) if chain is not None]
        new, self.none_waits = [], False
        while len(live) + len(new) < SIDE_BY_SIDE and not self.none_waits:
            candidate = self.again.popleft() if self.again else next(self.candidates, None)
            if candidate:
                new.append(self._begun(*candidate))
            self.none_waits = candidate is None
        rows = self.walk.rows_for(len(live) + len(new))
        if rows != len(self.rows):
            idle = rows - len(live)
            self.rows = [self.rows[row] for row in live] + [None] * idle
            self.random.take(live, rows)
            self.units.take(live, rows)
            filling = take_rows(self.start, [0] * idle)
            self.now, self.settled = (
                [np.concatenate(arrays) for arrays in zip(take_rows(place, live), filling, strict=bool(place))]
                for place in (self.now, self.settled)
            )
        if new:
            free = [row for row, chain in enumerate(self.rows) if chain is None]
            self._go_to_start(free[: len(new)], new)

    def _begun(self, number, key, drawn=0):
        start = self.frame.start
        line = line_of([*self.prime_line, *start])
        return Candidate(number, key, drawn, list(start), self.start_nats, self._width(start), line=line)

    def _go_to_start(self, rows, chains):
        copy_row(self.start, 0, self.now, rows)
        copy_row(self.start, 0, self.settled, rows)
        self.random.begin(rows, [chain.key for chain in chains], [chain.drawn for chain in chains])
        for row, chain in zip(rows, chains, strict=True):
            self.rows[row] = chain
            self._begin_unit(row, chain)

    def _begin_unit(self, row, chain):
        left = self.frame.length - len(chain.tokens)
        self.units.begin(row, chain.characters, left if self.lines else min(left, UNIT))

    def _leave(self, row):
        self.rows[row].drawn = self.random.drawn(row)
        self.rows[row] = None
        self.units.leave(row)

    # Ends

    def _ending(self, chain):
        """None while the unit goes on, else which end it has come to, or why it is refused."""
        token = chain.unit[-1]
        if token == UNKNOWN:
            return "unknown"
        if chain.characters + self._width(chain.unit) > self.rules.max_length:
            return "too_long"
        if self.lines and token == EOS or self.frame.stop and self._stops(chain):
            return SAMPLE_ENDS
        length = len(chain.tokens) + len(chain.unit)
        if self.lines:
            return "too_long" if length >= self.frame.length else None
        if length >= self.frame.length:
            return SAMPLE_ENDS
        return UNIT_ENDS if token == EOS or len(chain.unit) >= UNIT else None

    def _width(self, tokens):
        return sum(map(self.widths.__getitem__, tokens))

    def _stops(self, chain):
        drawn = chain.unit
        if len(drawn) < self.stop_tokens:
            drawn = chain.tokens[len(self.frame.start) :][-self.stop_tokens :] + drawn
        end = self.vocabulary.decode(drawn[-self.stop_tokens :])
        return any(text in end for text in self.frame.stop)

    # Judging

    def _judge(self, ended):
        """Settle the units that have ended, or refuse them. ended: (row, end or reason) of each."""
        if not ended and not self.parked:
            return []
        self.tally.drawn += len(ended)
        accepted = []
        for row, ending in ended:
            chain = self.rows[row]
            text = self._text(chain)
            fault = self._fault(chain, text, ending)
            if fault:
                self._refuse(row, fault)
            elif self.lines:
                self._take_unit(row, chain, text)
                self.parked.append((chain, text))
                self._leave(row)
            else:
                accepted.append((row, ending, text))
        return self._judge_parked() if self.lines else self._judge_units(accepted)

    def _judge_units(self, accepted):
        """Look for copies in units of streams."""
        texts = [self.rows[row].tail + text for row, _, text in accepted]
        # where copies are allowed a run may be of any length, and is looked for when the sample is whole
        copies = self.rules.copies(texts) if self.rules.refuse_copies else [(None, None)] * len(texts)
        settled = []
        for (row, ending, text), (run, new) in zip(accepted, copies, strict=True):
            if new is False:
                self._refuse(row, "copied")
            else:
                settled.append(self._settle(row, ending, text, run, new))
        return settled

    def _judge_parked(self):
        """Look for copies in lines: many together, because that takes less time for each, or those that there are when
        no other is waiting for a row."""
        if len(self.parked) < TOGETHER and not self.none_waits:
            return []
        parked, self.parked = self.parked, []
        texts = [text for _, text in parked]
        copies = self.rules.copies(texts, [self.prime_text + text for text in texts])
        settled = []
        for (chain, text), (run, new) in zip(parked, copies, strict=True):
            if new is False and not self.rules.allow_copies:
                self.tally.refuse("copied")
                self.redraw(chain)
            else:
                chain.copied = run
                settled.append(self._finish(chain, text, new))
        return settled

    def _text(self, chain):
        """What the unit adds to the text of its sample."""
        text = self.vocabulary.decode(chain.unit if chain.units else chain.tokens + chain.unit)
        return text.removesuffix("\n") if self.lines else text

    def _fault(self, chain, text, ending):
        if ending not in (UNIT_ENDS, SAMPLE_ENDS):
            return ending
        if self.vocabulary.level == "word" and not self._is_text([*chain.line, *chain.unit]):
            return "no_text"
        if self.lines and not text:
            return "empty"
        if ending == SAMPLE_ENDS and self.rules.sized:
            return self.rules.fault_of_size(self.vocabulary.decode(chain.tokens) + text if chain.units else text)
        return None

    def _is_text(self, line):
        """Whether the words of a line are those that its text would be read as: no two have run together."""
        decode = self.vocabulary.decode
        if line[-1] != EOS:  # spaces at the end are part of what would follow
            while line and decode(line[-1:]).isspace():
                line = line[:-1]
        return self.vocabulary.encode(decode(line)).tolist() == line

    def _refuse(self, row, fault):
        """Back to the end of the last unit, or to the beginning where the fault is the sample's as a whole."""
        chain = self.rows[row]
        whole = not self.lines and fault in ("too_short", "too_long")
        self.tally.refuse(fault, chain.units + 1 if whole else 1)
        if whole:
            chain = self._begun(chain.number, chain.key, self.random.drawn(row))
            chain.fell = True
            self._go_to_start([row], [chain])
        else:
            chain.unit = []
            self._begin_unit(row, chain)
            copy_row(*((self.start, 0) if self.lines else (self.settled, row)), self.now, row)

    def _settle(self, row, ending, text, run, new):
        chain = self.rows[row]
        if run is not None:
            chain.copied = max(chain.copied or 0, run)
        if self.vocabulary.level == "word":
            chain.line = [] if chain.unit[-1] == EOS else chain.line + chain.unit
        self._take_unit(row, chain, text)
        if ending == SAMPLE_ENDS:
            self._leave(row)
            return self._finish(chain, text, new)
        self._begin_unit(row, chain)
        chain.tail = (chain.tail + text)[-self.rules.max_copied :] if self.rules.refuse_copies else ""
        copy_row(self.now, row, self.settled, row)
        if not chain.fell:
            self.tally.succeed()
        return chain

    def _finish(self, chain, text, new):
        whole = text if chain.units == 1 else self.vocabulary.decode(chain.tokens)
        if not self.lines and self.rules.allow_copies:
            ((chain.copied, new),) = self.rules.copies([whole])
        chain.sample = Sample(whole, -chain.nats, len(chain.tokens), chain.copied, new)
        return chain

    def _take_unit(self, row, chain, text):
        chain.tokens += chain.unit
        chain.nats += float(self.units.nats[row])
        chain.characters += self._width(chain.unit)
        chain.unit, chain.units = [], chain.units + 1
        chain.pieces.append(text)


def character_widths(model: Model) -> list[int]:
    """How many characters each token adds to a sample, at least."""
    symbols = model.vocabulary.symbols
    if model.vocabulary.level == "byte":
        widths = [0 if 0x80 <= byte < 0xC0 else 1 for byte in symbols]  # the later bytes of a character
    else:
        widths = [len(symbol) for symbol in symbols]
    return [0 if model.lines else 1, 0, *widths]
