"""Scores: exact if the truth is known, additive, and the same however the text arrives and for every engine."""

import math

import numpy as np
import pytest

import charlm
from charlm.display.scores import score_lines, unknown_warning
from charlm.learning.loop import Trainer
from charlm.learning.settings import Settings
from charlm.model import Model
from charlm.network import measuring
from charlm.network.architecture import Architecture
from charlm.network.cells import CELLS
from charlm.network.measuring import BURN_IN, CHUNK, NumPyEngine, TokenScores, rows_for, score_tokens, spans
from charlm.score import Score
from charlm.scoring import scorer as scoring
from charlm.scoring.perplexity import Total, perplexity_of_files
from charlm.scoring.pipeline import blocks_by_scorers
from charlm.scoring.scorer import Engines, Scorer
from charlm.text.corpus import load_corpus
from charlm.text.ngrams import NGrams
from charlm.text.vocabulary import UNKNOWN, Vocabulary


def model_of(lines=False, cell="lstm", symbols="abcdefg ", level="char", uniform=False, merges=(), **sizes):
    vocabulary = Vocabulary(level, symbols, merges)
    architecture = Architecture(len(vocabulary), **{"cell": cell, "hidden": 6, "layers": 2} | sizes)
    scale = 0 if uniform else 0.6
    parameters = scale * np.random.default_rng(1).normal(0, 1, architecture.number_of_parameters)
    return Model(
        architecture=architecture, vocabulary=vocabulary, parameters=parameters.astype(np.float32), lines=lines
    )


def random_text(characters, seed=0, symbols="abcdefg \n"):
    return "".join(np.random.default_rng(seed).choice(list(symbols), characters)) + "\n"


@pytest.mark.parametrize("lines", [True, False])
@pytest.mark.parametrize("level", ["char", "subword", "word", "token", "byte"])
def test_a_uniform_model_has_perplexity_v(lines, level):
    symbols = {"char": "abcdefg ", "word": ["abc", " de", "f"], "byte": list(b"abcdefg ")}
    symbols["subword"] = [*"abcdefg ", "ab", " ab"]
    symbols["token"] = ["abc", "de", "f"]
    symbols, merges = symbols[level], [(2, 3), (9, 10)] if level == "subword" else ()
    model = model_of(lines, symbols=symbols, level=level, merges=merges, uniform=True)
    score = charlm.perplexity(model, random_text(300))
    assert score.perplexity == pytest.approx(len(symbols) + 2, rel=1e-6)
    assert score.nats == pytest.approx(score.tokens * math.log(len(symbols) + 2), rel=1e-6)


def test_the_figures_follow_from_each_other():
    model = model_of()
    text = "abc é\nbad – cab\n\n"
    score = charlm.perplexity(model, text)
    assert (score.tokens, score.unknown_tokens) == (17, 2)
    assert (score.lines, score.words, score.characters, score.bytes) == (3, 5, 17, 20)
    assert score.perplexity == pytest.approx(math.exp(score.nats_per_token))
    assert score.bits_per_character == pytest.approx(score.nats / math.log(2) / 17)
    assert score.bits_per_byte == pytest.approx(score.nats / math.log(2) / 20)
    assert score.perplexity_per_word == pytest.approx(math.exp(score.nats / 8))
    known = (score.nats - score.unknown_nats) / 15
    assert score.perplexity_without_unknowns == pytest.approx(math.exp(known)) and score.unknown_nats > 0
    assert set(score.as_dict()) >= {
        "tokens",
        "unknown_tokens",
        "nats_per_token",
        "perplexity",
        "perplexity_without_unknowns",
        "bits_per_character",
        "bits_per_byte",
        "characters",
        "bytes",
        "lines",
    }


@pytest.mark.parametrize(
    ("level", "symbols", "expected"),
    [
        ("char", "abc ", 2),
        ("char", "ab", 1 + 1 + 2),
        ("subword", "abc ", 2),
        ("word", ["abc"], len(" abé") + 1 + 1),
        ("byte", b"abc ", 2),
        ("byte", b"abc \xc3", 1),
    ],
)
@pytest.mark.parametrize("lines", [True, False])
def test_each_unknown_symbol_can_be_spelled_by_its_bytes(level, symbols, expected, lines):
    score = charlm.perplexity(model_of(lines, symbols=symbols, level=level), "abc abé\n\n" * 3)
    assert score.unknown_bytes == 3 * expected
    assert score.unknown_share == score.as_dict()["unknown_share"] == score.unknown_tokens / score.tokens > 0
    spelled = score.spelled
    assert spelled.nats == pytest.approx(score.nats + 3 * expected * math.log(256)) and spelled.tokens == score.tokens
    assert spelled.perplexity_without_unknowns == pytest.approx(score.perplexity_without_unknowns)
    for name in ("bits_per_character", "bits_per_byte", "perplexity_per_word"):
        assert score.as_dict()[f"{name}_spelled"] == getattr(spelled, name) > getattr(score, name)
    assert spelled.spelled == spelled


def test_the_figures_say_how_much_rests_on_unknown_symbols():
    known = charlm.perplexity(model_of(), "abc\n")
    some = charlm.perplexity(model_of(), "abc é\n")
    assert known.spelled == known and "spelled" not in "".join(score_lines(known, "char"))
    shown = "\n".join(score_lines(some, "char"))
    assert "1 line, 2 words, 6 characters, 7 bytes" in shown
    assert "<UNK> 1 (16.67 %)" in shown and f"with <UNK> spelled   {some.spelled.bits_per_byte:.4f}" in shown
    assert unknown_warning("m.npz", 1, 10, "char") is None
    warning = unknown_warning("m.npz", 2, 10, "word")
    assert "to m.npz, 20.0 % of the tokens (2 of 10) are <UNK>" in warning and "--min-count 1" in warning


@pytest.mark.parametrize("unit", ["bits", "log10"])
def test_figures_have_a_unit(unit):
    score, per_nat = (
        charlm.perplexity(model_of(), "abc é\n"),
        {"bits": 1 / math.log(2), "log10": math.log10(math.e)}[unit],
    )
    figures, others = score.as_dict(), score.as_dict(unit)
    assert others.pop(unit) == pytest.approx(per_nat * figures.pop("nats"))
    assert others.pop(f"{unit}_per_token") == pytest.approx(per_nat * figures.pop("nats_per_token"))
    assert others == figures
    assert f"{unit} per token" in "".join(score_lines(score, "char", unit=unit))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5.34, "5.340"),
        (6.8, "6.800"),
        (123.45, "123.5"),
        (999.96, "1,000"),
        (999_999.0, "999,999"),
        (1_000_000.0, "1.00e6"),
        (1.7685e72, "1.77e72"),
        (math.inf, "infinite"),
    ],
)
def test_a_perplexity_has_four_digits_and_a_power_of_ten_from_a_million_on(value, shown):
    score = Score(
        tokens=1,
        unknown_tokens=0,
        nats=math.log(value),
        unknown_nats=0.0,
        characters=1,
        bytes=1,
        lines=1,
        words=0,
    )
    (line,) = (line for line in score_lines(score, "char") if line.startswith("perplexity  "))
    assert line.split()[1] == shown


def test_an_infinite_figure_is_null_in_json():
    score = Score(tokens=1, unknown_tokens=0, nats=1e6, unknown_nats=0, characters=1, bytes=1, lines=1, words=0)
    assert score.perplexity == math.inf and score.as_dict()["perplexity"] is None


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("lines", [True, False])
def test_kernels_and_numpy_give_the_same_score(cell, lines):
    model = model_of(lines, cell, embedding=5)
    tokens = model.vocabulary.encode(random_text(700))
    rows = rows_for(spans(tokens, lines))
    fast, plain = (
        score_tokens(engine, tokens, lines)
        for engine in (Engines(model).compiled(rows), NumPyEngine(model.architecture, model.parameters, rows))
    )
    assert np.allclose(fast, plain, rtol=2e-5, atol=2e-6) and fast.min() > 0


@pytest.mark.parametrize("lines", [True, False])
def test_any_batch_and_any_threads_give_the_same_bits(lines):
    model = model_of(lines, hidden=9)
    tokens = model.vocabulary.encode(random_text(3 * CHUNK + 100))
    scores = [
        score_tokens(Engines(model, threads).compiled(rows), tokens, lines).tobytes()
        for rows, threads in ((1, 1), (2, 2), (5, 3), (64, 2))
    ]
    assert len(set(scores)) == 1


def test_sums_over_lines_equal_the_total():
    model = model_of(lines=True)
    text = random_text(2000, symbols="abcdefg   \n")
    parts = [charlm.perplexity(model, line) for line in text.split("\n") if line]
    total = charlm.perplexity(model, text)
    for name in ("nats", "tokens", "characters", "bytes", "lines", "words"):
        assert sum(getattr(part, name) for part in parts) == pytest.approx(getattr(total, name), rel=1e-5)


def test_a_stream_remembers_what_came_before():
    """score(ab) = score(a) + score(b given a), and not score(a) + score(b)."""
    model = model_of()
    a, b = random_text(500, 1), random_text(500, 2)
    tokens = model.vocabulary.encode(a + b)
    engine = NumPyEngine(model.architecture, model.parameters, 1)
    both = score_tokens(engine, tokens, False)
    assert charlm.perplexity(model, a + b).nats == pytest.approx(both.sum(dtype=float), rel=1e-6)
    assert charlm.perplexity(model, a).nats == pytest.approx(both[: len(a)].sum(dtype=float), rel=1e-6)
    assert charlm.perplexity(model, b).nats != pytest.approx(both[len(a) :].sum(dtype=float), abs=1e-3)


def test_chunks_cover_a_stream_once():
    tokens = np.zeros(3 * CHUNK + 5, np.uint8)
    start, scored, stop = spans(tokens, False)
    assert np.array_equal(
        np.concatenate([np.arange(a, b) for a, b in zip(scored, stop, strict=True)]), np.arange(len(tokens))
    )
    assert np.array_equal(scored - start, [0, BURN_IN, BURN_IN, BURN_IN])


def test_chunks_hardly_differ_from_one_long_reading(tmp_path, monkeypatch):
    """A chunk starts from the state after the BURN_IN tokens before it; older tokens hardly matter."""
    path = tmp_path / "text.txt"
    path.write_text(random_text(20_000, symbols="abc def ga\n"))
    corpus = load_corpus(path)
    trainer = Trainer(corpus, Architecture(len(corpus.vocabulary), "lstm", 16, 2), Settings(epochs=1))
    list(trainer.run())
    tokens = np.concatenate([corpus.train, corpus.held_out])
    in_chunks = score_tokens(Engines(trainer.best).compiled(8), tokens, False)
    monkeypatch.setattr(measuring, "CHUNK", 10**9)
    whole = score_tokens(Engines(trainer.best).compiled(1), tokens, False)
    assert len(tokens) > 4 * CHUNK
    assert np.abs(in_chunks - whole).max() < 1e-3 and abs(float(in_chunks.mean() - whole.mean())) < 1e-6


def test_files_pieces_and_memory_agree(tmp_path, monkeypatch):
    model = model_of()
    text = random_text(3000) + "no newline at the end"
    path = tmp_path / "text.txt"
    path.write_text("\ufeff" + text.replace("\n", "\r\n"), newline="")
    from_memory = charlm.perplexity(model, text)
    monkeypatch.setattr("charlm.text.reading.PIECE", 7)
    assert perplexity_of_files(model, [path]) == from_memory
    assert from_memory.characters == len(text) + 1


def test_without_compiler_or_with_it(monkeypatch):
    """The size of the text decides on the engine; the figure does not depend on it."""
    model, text = model_of(), random_text(400)
    plain = charlm.perplexity(model, text)
    monkeypatch.setattr(scoring, "WITHOUT_COMPILER", 0)
    assert charlm.perplexity(model, text).nats == pytest.approx(plain.nats, rel=1e-5)


def test_a_model_of_lines_skips_blank_lines():
    model = model_of(lines=True)
    assert charlm.perplexity(model, "\nabc\n\n\ndef\n\n") == charlm.perplexity(model, "abc\ndef\n")


def test_unknown_symbols_never_crash():
    for level, symbols in (("char", "ab"), ("word", ["ab", " a"]), ("byte", list(b"ab"))):
        score = charlm.perplexity(model_of(symbols=symbols, level=level), "ab é\u2028\U0001f600\x00 ab\n")
        assert 0 < score.unknown_tokens < score.tokens


class Counts:
    """N-gram counts as a ``TextScorer``."""

    def __init__(self, vocabulary, text, order, lines=False):
        self.vocabulary, self.lines = vocabulary, lines
        self.counts = NGrams.count(vocabulary.encode(text), len(vocabulary), order, lines, singletons=order)

    def measure(self, tokens):
        return TokenScores(-np.log(self.counts.probabilities(tokens)))


@pytest.mark.parametrize("lines", [True, False])
def test_whatever_predicts_the_next_token_goes_through_the_pipeline(lines):
    """N-gram counts have the nats of the baseline, and a network next to them has its own."""
    model, train = model_of(lines), random_text(900, 1)
    text = "\n".join(line for line in random_text(300, 2).split("\n") if line) + "\n"
    counts = Counts(model.vocabulary, train, 3, lines)
    total, other = Total(), Total()
    for one, two in blocks_by_scorers([counts, Scorer(model, ("ranks",))], [text]):
        total.add(one)
        other.add(two)
    ids = [model.vocabulary.encode(part) for part in (train, text)]
    grams = NGrams.count(ids[0], len(model.vocabulary), 3, lines, singletons=3)
    expected = -np.log(grams.probabilities(ids[1])).sum()
    assert total.score.nats == pytest.approx(expected) and total.score.tokens == len(text)
    assert other.score == charlm.perplexity(model, text)


def test_an_empty_text_has_no_tokens():
    assert charlm.perplexity(model_of(), "").tokens == 0


def test_unknown_has_an_honest_probability(tmp_path):
    """A model trained on a text without <UNK> gives it about the probability that the corpus suggests, and not zero."""
    path = tmp_path / "text.txt"
    path.write_text(random_text(20_000, symbols="abcdefgh \n"))
    corpus = load_corpus(path)
    trainer = Trainer(corpus, Architecture(len(corpus.vocabulary), "lstm", 16, 1), Settings(epochs=3, lr=0.01))
    list(trainer.run())
    engine = NumPyEngine(trainer.architecture, trainer.best.parameters, 1)
    engine.reset()
    text = corpus.held_out[:500].astype(np.int32)[:, None]
    given = engine.forward(text, np.full_like(text, UNKNOWN))
    assert corpus.unknown_rate == pytest.approx(1 / (len(corpus.train) + 2))
    assert np.exp(-given).mean() == pytest.approx(corpus.unknown_rate, rel=0.5)
