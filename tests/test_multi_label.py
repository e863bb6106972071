"""Several labels a line: the logistic head computes what its equations say, and a model learns the labels of a text."""

import json

import numpy as np
import pytest
from test_gradients import Case, V, error
from test_tasks import SMALL, check_error, digest, run

import charlm
from charlm.errors import CorpusError, ModelFileError, UsageError
from charlm.kernels.logistic import logistic_cross_entropy, logistic_gradient
from charlm.learning.autotune import new_trainer
from charlm.model import load_model
from charlm.modelfile import write_archive
from charlm.network.architecture import views
from charlm.network.head import LogisticHead, logistic_head
from charlm.predicting import Predictor
from charlm.tasks.classify import SeveralLabels
from charlm.tasks.confusion import LabelSetsResult
from charlm.text.batches import Sequences
from charlm.text.memory import training_text

SETS = ((), (0, 3), (1,), (2, 5, 6), (0, 1, 2, 3, 4, 5, 6), (4,), (6, 0))  # the set of each target


def sequences_of(sets):
    return Sequences([np.array(some, np.int32) for some in sets])


def case(**more):
    def head(architecture, parameters, gradients):
        return logistic_head(architecture, parameters, gradients, sequences_of(SETS))

    return Case("gru", 2, "lines", head=head, **more)


@pytest.mark.uncompiled
@pytest.mark.parametrize("threads", [1, 2])
def test_gradient_equals_central_differences(threads):
    found = case(threads=threads)
    assert isinstance(found.stack.head, LogisticHead)
    assert error(found.gradient(), found.central_differences()) < 1e-6


@pytest.mark.parametrize("name", ["layer1.W_x", "W_ya", "b_y"])
def test_a_planted_sign_error_is_caught(name):
    found = case()
    gradient = found.gradient()
    wrong = views(found.architecture, gradient)[name]
    wrong.flat[np.abs(wrong).argmax()] *= -1
    assert error(gradient, found.central_differences()) > 1e-3


@pytest.mark.uncompiled
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 3e-6)])
def test_the_kernels_equal_the_equations(dtype, tolerance):
    """-y log ŷ - (1 - y) log(1 - ŷ), summed over the labels, also where a logit is large; rows outside stay."""
    random, sets = np.random.default_rng(1), sequences_of(SETS)
    logits = (8 * random.standard_normal((3, 4, V + 2))).astype(dtype)
    b = random.standard_normal(V).astype(dtype)
    targets = random.integers(-1, len(SETS), (3, 4)).astype(np.int32)
    y = np.array([[label in some for label in range(V)] for some in SETS])[targets]
    z = logits[..., :V].astype(np.float64) + b
    wanted = np.where(targets < 0, 0, (np.logaddexp(0, z) - y * z).sum(-1))
    found, nats = logits.copy(), np.full((3, 4), 9, dtype)
    starts = sets.starts.astype(np.int64)
    logistic_cross_entropy(found, b, targets, starts, sets.ids, nats, 1, 4)
    chances = 1 / (1 + np.exp(-z))
    assert np.allclose(found[:, 1:, :V], chances[:, 1:], rtol=0, atol=tolerance)
    assert np.allclose(nats[:, 1:], wanted[:, 1:], rtol=tolerance, atol=tolerance) and (nats[:, 0] == 9).all()
    assert np.array_equal(found[:, 0], logits[:, 0]) and np.array_equal(found[..., V:], logits[..., V:])
    logistic_gradient(found, V, targets, starts, sets.ids, dtype(0.5), 1, 4)
    slopes = np.where(targets[..., None] < 0, 0, 0.5 * (chances - y))
    assert np.allclose(found[:, 1:, :V], slopes[:, 1:], rtol=0, atol=tolerance)


# The task


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Lines of letters whose labels are the vowels in them: a text may have three, or none."""
    folder, random = tmp_path_factory.mktemp("several"), np.random.default_rng(1)
    texts = ["".join(random.choice(list("aeibcdfg"), random.integers(1, 6))) for _ in range(260)]
    labels = [[vowel for vowel in "aei" if vowel in text] for text in texts]
    pairs = list(zip(labels, texts, strict=True))
    marked = ["".join(f"__label__{vowel} " for vowel in some) + text for some, text in pairs]
    (folder / "train.txt").write_text("__label__a a\n" + "\n".join(marked[60:]) + "\n")
    (folder / "more.txt").write_text("__label__a a\n" + "\n".join(marked[:60]) + "\n")
    (folder / "table.csv").write_text("labels,text\na,a\n" + "".join(f"{'|'.join(s)},{t}\n" for s, t in pairs[60:]))
    return folder


OPTIONS = {"task": "classify", "multi_label": True, "epochs": 25} | SMALL


@pytest.fixture(scope="module")
def model(folder):
    model = charlm.train(folder / "train.txt", **OPTIONS)
    model.save(folder / "m.npz")
    return load_model(folder / "m.npz")


def test_it_learns_which_labels_a_text_has(folder, model):
    assert isinstance(model.task, SeveralLabels) and sorted(model.task.labels) == list("aei")
    found = charlm.evaluate(model, folder / "more.txt")
    assert found["micro_f1"] > 0.9 and found["macro_f1"] > 0.9 and found["exact_match"] > 0.8 and found["lines"] == 61
    assert found["best_micro_f1"] >= found["micro_f1"] and found["threshold"] == 0.5
    assert [set(one) for one in charlm.predict(model, ["bab", "bcd", "eci"])] == [{"a"}, set(), {"e", "i"}]
    assert [len(one) for one in charlm.predict(model, ["bab", "bcd"], top=2)] == [2, 2]


def test_the_commands(folder, model):
    arguments = ["--model", folder / "m.npz"]
    rows = run("predict", *arguments, input="bab\nbcd\neci\n").stdout.split("\n")
    assert [len(row.split("\t")) for row in rows] == [2, 1, 4, 1] and rows[1] == ""
    records = [
        json.loads(line) for line in run("predict", *arguments, "--json", input="bab\nbcd\n").stdout.splitlines()
    ]
    assert [list(record["labels"]) for record in records] == [["a"], []]
    table = run("evaluate", *arguments, folder / "more.txt").stdout.splitlines()
    assert [line.split()[0] for line in table[:4]] == ["exact", "micro", "macro", "threshold"] and len(
        table
    ) == 4 + 2 + 3
    assert "any number of labels" in run("info", folder / "m.npz").stdout


def test_a_table_is_the_same(folder, model):
    other = charlm.train(folder / "table.csv", columns="labels,text", **OPTIONS)
    assert np.array_equal(other.parameters, model.parameters)
    assert charlm.evaluate(other, folder / "table.csv")["lines"] == 201
    pairs = [("a", "a"), *(("|".join(v for v in "aei" if v in text), text) for text in ("ab", "be", "ci"))]
    assert charlm.evaluate(model, pairs=pairs)["lines"] == 4


def test_a_pair_may_have_no_label(model):
    pairs = [("a", "ab"), ("", "bcd"), ("a|e", "ea"), (" ", "cc")] * 5
    found = charlm.evaluate(model, pairs=pairs)
    assert (found["lines"], found["exact_match"]) == (20, 1.0)
    trained = charlm.train(pairs=pairs, valid=pairs, **OPTIONS | {"epochs": 1})
    assert sorted(trained.task.labels) == ["a", "e"]
    given = {"paths": None, "text": None, "lines": None, "pairs": [("", "bcd")]}
    source, _ = training_text(given, {}, None, goes_on=True)  # the checkpoint says whether it is multi_label
    assert list(source.pieces()) == [b"\tbcd\n"]


def test_another_text_is_measured_by_its_own_sets(folder, model, tmp_path):
    """The loss on --also-valid is that of the model's probabilities; its sets have other numbers than those of the
    training."""
    pairs = [(["e", "i"], "eci"), ([], "bcd"), (["i"], "bi"), (["a", "e", "i"], "aei")]
    other = tmp_path / "other.txt"
    other.write_text("".join("".join(f"__label__{label} " for label in some) + f"{text}\n" for some, text in pairs))
    wanted = 0.0
    for some, probabilities in zip(pairs, charlm.predict(model, [text for _, text in pairs], top=3), strict=True):
        wanted -= sum(np.log(p if label in some[0] else 1 - p) for label, p in probabilities.items()) / len(pairs)
    trained = charlm.train(folder / "more.txt", base=model, multi_label=True, also_valid=other, epochs=1, lr=1e-9)
    assert trained.training["also_valid"]["before"] == pytest.approx(wanted, rel=1e-4)


def test_same_seed_same_bytes_for_any_number_of_threads(folder, tmp_path):
    options = OPTIONS | {"epochs": 1, "dropout": 0.2}
    found = {digest(charlm.train(folder / "train.txt", threads=n, **options), tmp_path / "m.npz") for n in (1, 2)}
    assert len(found) == 1


def test_the_network_starts_with_the_rates_of_the_labels(folder):
    """The loss of the unigram model is that of the biases alone."""
    corpus = new_trainer(folder / "train.txt", **OPTIONS).corpus
    rates = 1 / (1 + np.exp(-corpus.log_frequencies))
    assert (0.2 < rates).all() and (rates < 0.5).all()
    assert corpus.log_of_targets[0] == pytest.approx(np.log(1 - rates).sum())
    assert np.exp(corpus.log_of_targets).sum() == pytest.approx(1)  # all eight sets occur


def test_the_figures():
    true = np.array([[1, 0], [1, 1], [0, 0]], bool)
    result = LabelSetsResult.of(("x", "y"), true, np.array([[0.9, 0.6], [0.8, 0.3], [0.2, 0.1]]), 0.5)
    found = result.as_dict()
    assert (found["micro_precision"], found["micro_recall"], found["micro_f1"]) == (2 / 3, 2 / 3, 2 / 3)
    assert (found["macro_f1"], found["exact_match"], found["labels"]["y"]["f1"]) == (0.5, 1 / 3, 0)
    assert (found["best_threshold"], found["best_micro_f1"]) == (0.3, pytest.approx(6 / 7))


def test_what_cannot_be(folder, model, tmp_path):
    with pytest.raises(UsageError, match="--multi-label goes with --task classify"):
        charlm.train(folder / "train.txt", task="generate", multi_label=True)
    (tmp_path / "bad.txt").write_text("__label__u ab\n")
    check_error("label 'u' line 1", "evaluate", "--model", folder / "m.npz", tmp_path / "bad.txt")
    (tmp_path / "bad.txt").write_text("\tab\n|\tb\n")
    with pytest.raises(CorpusError, match="no line of .* has a label"):
        charlm.train(tmp_path / "bad.txt", **OPTIONS)
    with np.load(folder / "m.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("header").tobytes())
    assert header["format"] == 7
    write_archive(tmp_path / "m.npz", header | {"task": header["task"] | {"multi_label": 1}}, arrays)
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m.npz")


def test_a_line_alone_has_the_same_bits(model):
    predictor, texts = Predictor(model), ["bab", "", "eci", "gg"]
    assert [predictor.predict([text])[0] for text in texts] == predictor.predict(texts)
