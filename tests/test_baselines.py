"""Baselines: unigrams, n-grams and xz, and their figures in the output of charlm perplexity."""

import json
import lzma
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from charlm.cli import program
from charlm.text.baselines import baselines, corpus_baselines, counted_tokens, xz_bytes
from charlm.text.corpus import CorpusOptions, load_corpus
from charlm.text.ngrams import NGrams
from charlm.text.vocabulary import EOS


def test_longer_contexts_help_where_there_is_order():
    text = np.array([*b"abcabcabd" * 40, EOS]) - 96
    text[-1] = EOS
    found = {baseline.name: baseline.nats for baseline in baselines(text[:200], text[200:], 6, "char", False)}
    assert list(found) == ["unigrams", "6-grams"]
    assert found["6-grams"] < 0.3 * found["unigrams"]
    assert [baseline.name for baseline in baselines(text, text, 6, "word", True)] == ["unigrams", "5-grams"]


def test_xz_is_charged_for_the_text_alone():
    random = np.random.default_rng(0)
    corpus, other = (random.integers(0, 256, 5000, np.uint8).tobytes() for _ in range(2))
    assert xz_bytes(corpus, corpus) < 100
    assert xz_bytes(corpus, other) == pytest.approx(5000, abs=100)
    assert xz_bytes(b"", corpus) < len(lzma.compress(corpus)) + 10


def test_the_baselines_of_training_know_the_end_of_the_training_part(tmp_path, tiny_text):
    """They are measured on the tokens that training evaluates the model on."""
    (tmp_path / "text.txt").write_text(tiny_text)
    corpus = load_corpus(tmp_path / "text.txt", CorpusOptions(lines=True))
    assert counted_tokens(corpus, None) == counted_tokens(corpus, 1) == len(corpus.train)
    assert counted_tokens(corpus, 0.0001) == 360
    unigrams, ngrams, xz = corpus_baselines(corpus, 120)
    size, last = len(corpus.vocabulary), corpus.train[-120:]
    expected = baselines(last, corpus.held_out, size, "char", True)
    assert [unigrams, ngrams] == expected
    train, text = (corpus.vocabulary.decode(part).encode() for part in (last, corpus.held_out))
    assert xz.name == "xz" and xz.nats == pytest.approx(8 * math.log(2) * xz_bytes(train, text))


@pytest.mark.parametrize("lines", [True, False])
def test_the_baselines_of_perplexity(tmp_path, monkeypatch, tiny_text, lines):
    import charlm

    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text(tiny_text + "\n\n")
    Path("text.txt").write_text("cab egg\n\nfee\n")
    model = charlm.train("corpus.txt", hidden=4, layers=1, epochs=1, lines=lines, batch=4, steps=8)
    model.save("m.npz")
    command = ["perplexity", "--model", "m.npz", "text.txt", "--baselines", "corpus.txt"]
    done = CliRunner().invoke(program, [*command, "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert list(figures["baselines"]) == ["unigrams", "6-grams", "xz"]
    clean = (lambda text: text.replace("\n\n", "\n").replace("\n\n", "\n")) if lines else (lambda text: text)
    train, text = (clean(Path(name).read_text()) for name in ("corpus.txt", "text.txt"))
    ids, size = model.vocabulary.encode(train), len(model.vocabulary)
    grams = NGrams.count(ids, size, 6, lines, singletons=6, exact=True)
    nats = -np.log(grams.probabilities(model.vocabulary.encode(text))).sum()
    found = figures["baselines"]["6-grams"]
    assert figures["tokens"] == len(text)
    assert found["nats_per_token"] == pytest.approx(nats / len(text))
    assert found["bits_per_byte"] == pytest.approx(nats / len(text) / math.log(2))
    bits = 8 * xz_bytes(train.encode(), text.encode()) / len(text)
    names = ("bits_per_character", "bits_per_byte", "bits_per_byte_spelled")
    assert figures["baselines"]["xz"] == pytest.approx(dict.fromkeys(names, bits))
    people = CliRunner().invoke(program, command).stdout
    assert "6-grams" in people and f"{found['bits_per_byte']:.4f}" in people and "spelled" not in people
    Path("text.txt").write_text("cab é\n")
    done = CliRunner().invoke(program, [*command, "--unit", "bits"])
    assert "spelled: bits/byte with each <UNK> spelled, as xz does" in done.stdout and "bits/token" in done.stdout
    assert "16.7 % of the tokens (1 of 6) are <UNK>" in done.stderr
    figures = json.loads(CliRunner().invoke(program, [*command, "--json"]).stdout)
    rows = [figures, *figures["baselines"].values()]
    more = [row["bits_per_byte_spelled"] - row["bits_per_byte"] for row in rows]
    assert more == pytest.approx([16 / 7, 16 / 7, 16 / 7, 0])  # xz spells everything
