"""The public API in a typed program: pytest runs this file, and `make check` checks its types with mypy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest

import charlm
from charlm.errors import CharlmError, UsageError
from charlm.model import Model


def test_a_typed_program(tiny_text: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(tiny_text, encoding="utf-8")
    rates: list[float] = []
    model = charlm.train(
        tmp_path / "text.txt",
        on_report=lambda report: rates.append(assert_type(report.tokens_per_second, float)),
        hidden=6,
        layers=1,
        batch=4,
        steps=8,
        epochs=4,
        lr=0.02,
        lines=True,
        threads=1,
    )
    assert_type(model, Model)
    assert rates and assert_type(model.lines, bool)
    assert isinstance(model.parameters, np.ndarray) and assert_type(model.parameters.ndim, int) == 1
    model.save(tmp_path / "model.npz")
    model = charlm.load(tmp_path / "model.npz")
    assert_type(model, Model)

    samples = list(charlm.sample(model, 2, seed=1, allow_copies=True))
    assert len(samples) == 2
    for sample in samples:
        assert assert_type(sample.text, str)
        assert assert_type(sample.log_probability, float) < 0 < assert_type(sample.tokens, int)
        assert_type(sample.longest_copied_run, int | None)
        assert_type(sample.novel, bool | None)

    score = charlm.perplexity(model, tiny_text)
    assert assert_type(score.perplexity, float) > 1 and assert_type(score.tokens, int) > 1
    assert_type(score.nats_per_token, float)
    assert assert_type(charlm.log_probability(model, "abba cab\n"), float) < 0
    assert assert_type(charlm.__version__, str)


def test_a_typed_classifier(tmp_path: Path) -> None:
    (tmp_path / "examples.txt").write_text("cab\tabba\negg\tfee\n" * 20, encoding="utf-8")
    model = charlm.train(tmp_path / "examples.txt", task="classify", hidden=4, epochs=1, threads=1)
    (probabilities,) = charlm.predict(model, ["abba"], top=2)
    assert sorted(probabilities) == ["cab", "egg"]
    notes = assert_type(charlm.export_model(model, tmp_path / "labels.safetensors"), list[str])
    assert not notes
    assert_type(charlm.import_model(tmp_path / "labels.safetensors"), Model)


def test_a_typed_program_without_files() -> None:
    lines = ["abba cab", "dada egg", "cab"] * 20
    training = charlm.training(lines=iter(lines), hidden=6, layers=1, batch=4, steps=8, epochs=2, threads=1)
    assert_type(training, charlm.Training)
    with training:
        for report in training:
            assert assert_type(report, charlm.Report).step > 0
    model = assert_type(training.best, charlm.Model)
    assert assert_type(training.finished, bool)

    rows = charlm.rows(model, "abba cab", by="word")
    assert isinstance(rows, np.ndarray) and assert_type(rows.ndim, int) == 1
    assert rows["word"].tolist() == ["abba", "cab", "\n"]
    distribution = assert_type(charlm.next_tokens(model, "ab"), dict[str, float])
    assert sum(distribution.values()) > 0.999
    states = assert_type(charlm.states(model, "abba"), charlm.HiddenStates)
    assert states.a.shape == (1, 4, 6) and assert_type(states.a.ndim, int) == 3
    assert assert_type(None if states.c is None else states.c.ndim, int | None) == 3
    assert assert_type(charlm.evaluate(model, lines=lines), dict[str, Any])["lines"] == 60
    score = assert_type(charlm.perplexity(model, "abba"), charlm.Score)
    assert score.tokens == 5
    for sample in charlm.sample(model, 1, seed=(1, 2), stop=["b"], allow_copies=True, min_length=1):
        assert_type(sample, charlm.Sample)


def test_a_typed_translator_and_a_typed_tagger() -> None:
    sources, targets = ["ab", "cd"] * 20, ["ba", "dc"] * 20
    model = charlm.train(pairs=zip(sources, targets, strict=True), task="translate", hidden=4, epochs=1, threads=1)
    assert set(charlm.predict(model, ["ab"])[0]) == {"target", "log_probability"}
    sentences = [[("I", "PRON"), ("am", "VERB")], [("you", "PRON"), ("are", "VERB")]] * 10
    model = charlm.train(pairs=sentences, valid=sentences, hidden=4, epochs=1, threads=1, on_report=lambda _: False)
    assert len(charlm.predict(model, [["I", "am"]])[0]["tags"]) == 2


def test_an_option_that_does_not_exist_and_a_name_in_place_of_a_model(tiny_model: Path) -> None:
    model = charlm.load(tiny_model)
    with pytest.raises(CharlmError, match="there is no option 'cout'; did you mean 'count'?"):
        charlm.sample(model, cout=3)  # type: ignore[arg-type]
    calls: list[Callable[[Any], object]] = [
        charlm.sample,
        lambda model: charlm.perplexity(model, "a"),
        lambda model: charlm.log_probability(model, "a"),
        lambda model: charlm.predict(model, ["a"]),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"give a model, not the name of its file: charlm.load\('d.npz'\)"):
            call("d.npz")


def test_an_error_is_a_charlm_error(tmp_path: Path) -> None:
    with pytest.raises(CharlmError):
        charlm.load(tmp_path / "nothing.npz")
