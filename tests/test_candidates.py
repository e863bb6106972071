"""Where segments and samples end, and which candidate stands in which row."""

import numpy as np
import pytest
from test_sampling import BIGRAMS, Bigrams, random_model

from charlm.sampling import candidates as module
from charlm.sampling.candidates import SAMPLE_ENDS, SEGMENT_ENDS, Candidate, Candidates, Endings
from charlm.sampling.decoding import Decoding
from charlm.sampling.prompt import Prompt
from charlm.sampling.segments import SEGMENT
from charlm.text.vocabulary import EOS, UNKNOWN

A, B = 2, 3


def ending(lines, segment, tokens=(), length=1000, stop=(), max_length=np.inf):
    model = random_model(lines)
    endings = Endings(model, Prompt(length=length, stop=stop), max_length)
    tokens = list(tokens)
    candidate = Candidate(
        number=0, key=0, taken=0, tokens=tokens, nats=0.0, characters=len(tokens), line=[], segment=list(segment)
    )
    return endings.of(candidate)


@pytest.mark.parametrize(
    ("lines", "segment", "expected"),
    [
        (True, [A, B], None),
        (True, [A, EOS], SAMPLE_ENDS),
        (True, [A, UNKNOWN], SEGMENT_ENDS),
        (False, [A, B], None),
        (False, [A, EOS], SEGMENT_ENDS),
        (False, [A] * (SEGMENT - 1), None),
        (False, [A] * SEGMENT, SEGMENT_ENDS),
        (False, [UNKNOWN], SEGMENT_ENDS),
    ],
)
def test_where_a_segment_ends(lines, segment, expected):
    assert ending(lines, segment) == expected


def test_where_a_sample_ends():
    assert ending(False, [A], [B] * 8, length=10) is None
    assert ending(False, [A], [B] * 9, length=10) == SAMPLE_ENDS
    assert ending(True, [A] * 10, length=10) == SEGMENT_ENDS and ending(True, [A] * 9 + [EOS], length=10) == SAMPLE_ENDS
    assert ending(True, [A] * 4, max_length=3) == SEGMENT_ENDS and ending(True, [A] * 3, max_length=3) is None
    assert ending(False, [B], [A, A], stop=("aab",)) == SAMPLE_ENDS
    assert ending(False, [B, A], [A, A], stop=("aab",)) is None


def test_candidates_wait_for_a_row_and_a_rejected_segment_takes_new_numbers(monkeypatch):
    monkeypatch.setattr(module, "IN_PARALLEL", 2)
    prompt = Prompt(length=100)
    candidates = Candidates(
        Bigrams(BIGRAMS),
        Decoding(),
        prompt,
        Endings(random_model(True), prompt, np.inf),
        [(0, 5, 0), (1, 6, 0), (2, 7, 0)],
    )
    ended = []
    while not ended:
        ended = candidates.advance()
        assert [candidates[row].number for row in (0, 1)] == [0, 1] and not candidates.none_waits
    row, _ = ended[0]
    first = list(candidates[row].segment)
    candidates.resample_segment(row)
    assert candidates[row].segment == [] and candidates[row].number == row
    candidate = candidates[row]
    candidates.leave(row)
    assert candidate.taken == len(first)
    candidates.resample(candidate)
    candidates.advance()
    assert candidates[row].number == candidate.number and candidates[row].taken == len(first)
    assert not candidates.none_waits
