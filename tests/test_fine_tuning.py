"""A training that goes on with a model (--from): what it takes from the model, what it adds, and what it says."""

import hashlib
import json
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import charlm
from charlm.errors import CharlmError, ModelFileError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.before_and_after import after_lines
from charlm.learning.description import opening
from charlm.learning.session import TrainingFiles, TrainingSession
from charlm.model import load_model
from charlm.network.architecture import Architecture, frozen_parameters, views
from charlm.network.growing import Places, grown_parameters
from charlm.scoring.scorer import log_probability
from charlm.tasks.summary import _texts_known
from charlm.text.interpolation import fitted_share, interpolated
from charlm.text.ngrams import NGrams
from charlm.text.novelty import Trail
from charlm.text.vocabulary import Vocabulary

GOLDEN = Path(__file__).parent / "golden"
# Small models of each kind, written by earlier versions, and the texts for them; each text has what its model lacks.
LABELLED = "".join(f"{'xyzu'[n % 4]}\t{'abcdé'[n % 5] * (n % 3 + 1)}{'cab'[n % 3]}\n" for n in range(40))
TAGGED = "".join(
    f"{'abcé'[n % 4]}{'ab'[n % 2]}\t{('B-x', 'O', 'B-y')[n % 3]}\n{'' if n % 3 else chr(10)}" for n in range(60)
)
PAIRS = "".join(f"{'abc'[n % 3]}é{'ab'[n % 2]}\t{'ba'[n % 2]}é\n" for n in range(40))
LINES = "".join(f"{'abc'[n % 3]}é{'ab' * (n % 4)}\n" for n in range(60))
KINDS = {
    "2": LINES,
    "4": LINES,  # a feed-forward network
    "6": LINES,  # with n-grams
    "6-subword": LINES,
    "3-classify": LABELLED,
    "3-generate": LABELLED,
    "3-tag": TAGGED,
    "3-translate": PAIRS,
    "7-several": "".join(f"__label__{'abn'[n % 3]} {'abcé'[n % 4]}b\n" for n in range(40)),
}
SMALL = {"hidden": 6, "layers": 2, "batch": 4, "steps": 8, "threads": 1}


def trainer_of(kind, folder, **options):
    """A trainer that goes on with a model of a kind."""
    (folder / "new.txt").write_text(KINDS[kind], encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about <UNK>
        return new_trainer(
            folder / "new.txt", **{"base": GOLDEN / f"format-{kind}.npz", "epochs": 1, "threads": 1} | options
        )


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The path of a model of a stream with n-grams, and its text next to it."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "old.txt").write_text("".join(f"the {'cat dog cow'.split()[n % 3]} {n % 7}\n" for n in range(90)))
    charlm.train(folder / "old.txt", **SMALL, lines=False, epochs=4, lr=0.02, output=folder / "old.npz")
    return folder / "old.npz"


@pytest.fixture
def folder(base, tmp_path, monkeypatch):
    """A folder with the model, its text, and a new text, in which a test works."""
    shutil.copytree(base.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "new.txt").write_text("".join(f"a {'hen pig fox'.split()[n % 3]}! {n % 5}\n" for n in range(90)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(output, stop=None, *, resume=False, log=None, **options):
    """A training on the new text, after it; stop: after so many updates."""
    with TrainingSession("new.txt", TrainingFiles(output=output, resume=resume, log=log), options) as session:
        for _ in session.run(stop=lambda: stop is not None and session.trainer.step == stop):
            pass
    return session


def go_on(output="new.npz", stop=None, **options):
    """A training on the new text that goes on with the old model, with usual options where none are given."""
    usual = {"base": "old.npz", "epochs": 2.0, "lr": 0.02, "batch": 4, "steps": 8, "threads": 1}
    return trained(output, stop, **usual | options)


# What is added, and what stays


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_first_update_nothing_of_the_model_has_changed(kind, tmp_path):
    """Each old row and column has the same bits, and among what the model knew the network gives the same odds."""
    trainer = trainer_of(kind, tmp_path)
    old, new = trainer.base.model, trainer.best
    assert len(new.vocabulary) > len(old.vocabulary), "the text has no new symbol"
    assert new.vocabulary.of_characters.new_since(old.vocabulary)
    places = new.task.places(old.task, new.vocabulary, old.vocabulary)
    assert (np.diff(places.inputs) > 0).all() and (np.diff(places.outputs) > 0).all()
    for name, values in old.named_parameters.items():
        found = new.named_parameters[name]
        last = name.split(".")[-1]
        if last in ("W_ya", "b_y"):
            found = found[..., places.outputs]
        elif last == "E" or last == "W_x" and found.shape != values.shape:
            positions = old.architecture.context or 1
            rows = places.inputs if name != "words.E" else np.arange(len(values))
            found = np.concatenate([block[rows] for block in np.split(found, positions)])
        assert found.tobytes() == values.tobytes(), name
    assert new.parameters.size > old.parameters.size and np.isfinite(new.parameters).all()


def test_a_grown_model_gives_the_same_odds_among_what_it_knew(tmp_path):
    for kind in ("2", "4", "6-subword"):
        trainer = trainer_of(kind, tmp_path, ngrams=0)
        old, new = trainer.base.model, trainer.best
        old.mixture = new.mixture = None
        before, after = charlm.next_tokens(old, "ab"), charlm.next_tokens(new, "ab")
        ratios = [after[symbol] / probability for symbol, probability in before.items()]
        assert max(ratios) < 1 and max(ratios) == pytest.approx(min(ratios), rel=1e-4)
        assert charlm.next_tokens(new, "aé") != charlm.next_tokens(new, "ab")


def test_new_symbols_begin_as_the_unknown_or_as_the_mean_by_their_frequency():
    vocabulary = Vocabulary("char", "ab")
    before, after = (Architecture(size, "gru", 3, 1) for size in (4, 6))
    random = np.random.default_rng(1)
    parameters = random.standard_normal(before.number_of_parameters).astype(np.float32)
    frequencies = np.log([0.2, 0.01, 0.3, 0.2, 0.06, 0.02])
    ids = vocabulary.with_symbols("cd").ids_of(vocabulary)
    old, places = views(before, parameters), Places(ids, ids)
    found, mean = (
        views(after, grown_parameters(parameters, before, after, places, frequencies, knows_unknown=known))
        for known in (True, False)
    )
    assert np.exp(found["b_y"][4:]).sum() == pytest.approx(np.exp(old["b_y"][1]), rel=1e-5)
    assert (found["W_ya"][:, 4:] == old["W_ya"][:, [1]]).all()
    assert (found["layer1.W_x"][4:] == old["layer1.W_x"][1]).all()
    for one in (found, mean):
        assert one["b_y"][4] - one["b_y"][5] == pytest.approx(np.log(3), rel=1e-5)
    assert mean["layer1.W_x"][4] == pytest.approx(old["layer1.W_x"].mean(0), rel=1e-5)
    parts = np.exp(frequencies[:4]) / np.exp(frequencies[:4]).sum()
    assert mean["W_ya"][:, 5] == pytest.approx(old["W_ya"] @ parts, rel=1e-5)
    assert mean["b_y"][5] == pytest.approx((old["b_y"] - frequencies[:4]) @ parts + frequencies[5], rel=1e-5)


def test_keep_vocabulary_makes_new_symbols_unknown(tmp_path):
    for kind in ("6", "6-subword", "3-tag"):
        trainer = trainer_of(kind, tmp_path, keep_vocabulary=True)
        assert trainer.corpus.vocabulary == trainer.base.model.vocabulary
        if kind == "6":
            assert trainer.corpus.frequencies[1] == KINDS[kind].count("é") - (trainer.corpus.held_out == 1).sum()
        if kind == "3-tag":
            assert trainer.task.words == trainer.base.model.task.words and "B-y" in trainer.task.tags


def test_only_symbols_that_are_frequent_enough_are_added(tmp_path):
    assert "é" not in trainer_of("6", tmp_path, min_count=1000).corpus.vocabulary.symbols
    assert "é" not in trainer_of("6", tmp_path, max_vocabulary=3).corpus.vocabulary.symbols


def test_subwords_keep_their_merges(tmp_path):
    trainer = trainer_of("6-subword", tmp_path)
    old, new = trainer.base.model.vocabulary, trainer.corpus.vocabulary
    made = len(old.merges)
    assert new.symbols[-made:] == old.symbols[-made:] and set(new.symbols) - set(old.symbols) == {"é"}
    text = "abba cab\n"
    assert old.split(text) == new.split(text) and len(old.encode(text)) < len(text)
    assert new.ids_of(old)[old.encode(text)].tolist() == new.encode(text).tolist()


@pytest.mark.parametrize("kind", ["2", "4", "3-classify", "3-tag", "3-translate", "7-several"])
def test_frozen_layers_have_no_gradient_and_the_others_have_the_same(kind, tmp_path):
    """Of one layer, it is the input and the layer; of an encoder and a decoder, both."""
    gradients = []
    for layers in (0, 1):
        trainer = trainer_of(kind, tmp_path, freeze=layers, dropout=0.0)
        trainer.network.pack(for_training=True)
        trainer.window.train(next(trainer._batches(0)), 0.1, None)
        gradients.append(views(trainer.architecture, trainer.network.gradient))
    frozen = frozen_parameters(trainer.architecture, 1)
    assert 0 < len(frozen) < len(gradients[0])
    for name, gradient in gradients[0].items():
        assert gradient.any(), name
        assert not gradients[1][name].any() if name in frozen else (gradients[1][name] == gradient).all(), name
    before = {name: values.copy() for name, values in trainer.best.named_parameters.items()}
    trainer.optimizer.update(0.01)
    for name, values in views(trainer.architecture, trainer.parameters).items():
        assert (values.tobytes() == before[name].tobytes()) == (name in frozen), name


def test_frozen_layers_of_a_deep_tied_network(tmp_path):
    (tmp_path / "t.txt").write_text(LINES, encoding="utf-8")
    options = {"lines": False, "holdout": 0.0, "epochs": 0.5, "threads": 1, "batch": 4, "steps": 8}
    model = charlm.train(tmp_path / "t.txt", hidden=5, layers=3, tied=True, **options)
    after = charlm.train(tmp_path / "t.txt", base=model, freeze=2, lr=0.05, **options)
    changed = {
        name
        for name, values in after.named_parameters.items()
        if values.tobytes() != model.named_parameters[name].tobytes()
    }
    assert changed == {"layer3.W_x", "layer3.W_a", "layer3.b", "b_y"}
    assert after.training["settings"]["freeze"] == 2


# The counts and the records of both texts


def counted(text, size, order=4, lines=False):
    return NGrams.count(np.array(text), size, order, lines, singletons=3)


@pytest.mark.parametrize("lines", [True, False])
def test_n_grams_of_both_texts(lines):
    """They sum to 1 after any history, know what either text has, and predict both better than the other text's do."""
    random = np.random.default_rng(1)
    texts = [random.choice(7, 3000, p=p) for p in random.dirichlet(np.ones(7), 2)]
    texts = [np.where(np.arange(3000) % 3 == 1, (np.roll(text, 1) + k + 1) % 7, text) for k, text in enumerate(texts)]
    new, earlier = counted(texts[0], 9, 4, lines), counted(texts[1], 7, 5, lines)
    wider = earlier.with_vocabulary(np.array([0, 1, 2, 4, 5, 6, 8]), 9)
    both = interpolated(new, wider, 0.6)
    assert both.order == 4 and set(both.fields()) == set(new.fields())
    nodes = both.no_history(1)
    for token in [0, *texts[0][:30].tolist()]:
        nodes = both.step(nodes, np.array([token]))
        after = [token_probability(both, nodes, wanted) for wanted in range(9)]
        assert sum(after) == pytest.approx(1, rel=1e-5) and min(after) > 0
    found = {ngrams: -np.log(ngrams.probabilities(texts[0])).mean() for ngrams in (new, wider, both)}
    naive = -np.log(0.6 * new.probabilities(texts[0]) + 0.4 * wider.probabilities(texts[0])).mean()
    assert found[both] == pytest.approx(naive, abs=0.02) and found[both] < found[wider]
    text = np.concatenate([texts[0][::-1], texts[1][:400]])
    q, p, share = new.probabilities(text), wider.probabilities(text), fitted_share(new, wider, text)
    losses = [-np.log(part * q + (1 - part) * p).sum() for part in (share - 0.02, share, share + 0.02)]
    assert 0.02 < share < 0.98 and min(losses) == losses[1]
    assert len(interpolated(new, wider, 0.6, most=100)) == 101
    again = NGrams.from_arrays(both.fields(), both.arrays(), 9, lines)
    assert again.probabilities(texts[0]).tobytes() == both.probabilities(texts[0]).tobytes()


def token_probability(ngrams, nodes, token):
    """p(token) after the histories of one row, by the recursion of the docstring of ``ngrams``."""
    value = 1 / ngrams.vocabulary_size
    for node in nodes[0].tolist():
        if node < len(ngrams):
            child = int(ngrams._children(np.array([node]), np.array([token]))[0])
            value = float(ngrams.backoff[node]) * value + (float(ngrams.own[child]) if child >= 0 else 0.0)
    return value


def test_n_grams_in_a_larger_vocabulary_say_the_same():
    text = np.random.default_rng(1).integers(0, 5, 400)
    ngrams, ids = counted(text, 5), np.array([0, 1, 3, 4, 6])
    wider, places = ngrams.with_vocabulary(ids, 8), np.concatenate([[0], 1 + ids, 9 + np.arange(len(ngrams) - 6)])
    assert len(wider) == len(ngrams) + 3 and (np.diff(wider.keys) > 0).all()
    assert (wider.own[places] == ngrams.own).all() and (wider.backoff[places] == ngrams.backoff).all()
    assert (wider.tokens[places[1:]] == ids[ngrams.tokens[1:]]).all()
    assert (wider.probabilities(np.array([7, 2, 5])) > 0).all()


def test_the_record_knows_both_texts(folder):
    go_on()
    first = load_model("new.npz").novelty
    (folder / "third.txt").write_text("something else is written here\n" * 3 + "and a last line\n" * 30)
    charlm.train("third.txt", base="new.npz", epochs=0.3, threads=1, output="third.npz")
    second = load_model("third.npz").novelty
    assert len(first.earlier) == 1 and len(second.earlier) == 2
    lines = ["the cat 0", "a hen! 0", "something else is written here", "the hen 0"]
    known = [text in path.read_text().split("\n") for path in (folder / "old.txt",) for text in lines]
    assert known == [True, False, False, False]
    assert first.contains_lines(lines).tolist() == [True, True, False, False]
    assert second.contains_lines(lines).tolist() == [True, True, True, False]
    runs = [
        "\nthe dog 1\nthe cow 2\n",
        "! 1\na fox! 2\na hen! 3",
        "xx something else is written h",
        "nothing of this is there",
    ]
    found = second.longest_copied_runs(runs).tolist()
    assert found[3] == 0 and found[:3] == [
        max(one.longest_copied_runs([run])[0] for one in second.records) for run in runs[:3]
    ]
    assert min(found[:3]) >= 16
    assert second.copied_runs(runs[0]) == [(0, len(runs[0]))]
    trails, longest = second.follow([Trail()], [runs[0][:12]]), []
    for piece in (runs[0][12:], " and " + runs[2]):
        trails = second.follow([trails[0].trail], [piece])
        longest.append(trails[0].longest)
    assert longest == [found[0], 27]


def test_the_record_of_the_same_text_is_kept_once(folder):
    go_on()
    shutil.copy("new.npz", "once.npz")
    go_on("again.npz", base="once.npz")
    assert load_model("again.npz").novelty.bits.tobytes() == load_model("once.npz").novelty.bits.tobytes()


# What it says


def test_it_says_what_the_model_gave_before_and_what_it_forgot(folder):
    session = go_on(also_valid="old.txt", log="log.jsonl", epochs=4.0)
    records = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    training, old = load_model("new.npz").training, load_model("old.npz")
    held_out = (folder / "new.txt").read_text()[int(0.9 * len((folder / "new.txt").read_text())) :]
    own = -log_probability(grown(session), held_out) / len(held_out)
    assert training["base_loss"] == pytest.approx(own, rel=1e-4) and training["base_loss"] > training["valid_loss"]
    assert records[0] == {
        **{"step": 0, "epoch": 0.0, "tokens": 0, "base_loss": training["base_loss"]},
        **{"valid_loss": training["history"][0][2], "also_loss": training["also_valid"]["before"]},
    }
    assert records[-1]["also_loss"] == training["also_valid"]["after"] > training["also_valid"]["before"]
    also = training["also_valid"]
    assert also["held_out_tokens"] == old.training["corpus"]["held_out_tokens"] and also["names"] == ["old.txt"]
    assert also["before"] == pytest.approx(old.training["valid_loss"], abs=0.1)
    new, summary = load_model("new.npz"), load_model("new.npz").summary()
    (ancestor,) = training["ancestry"]
    assert ancestor["name"] == "old.npz" and ancestor["corpus"] == old.training["corpus"]
    assert ancestor["sha256"] == hashlib.sha256((folder / "old.npz").read_bytes()).hexdigest()
    for words in ("old.npz", ancestor["sha256"], f"{training['base_loss']:.4f}", f"{also['after']:.4f} after"):
        assert words in summary.replace("\n" + " " * 15, " ")
    assert new.mixture.ngrams.order == old.mixture.ngrams.order


@pytest.mark.parametrize(("same", "words"), [(True, ""), (False, ", and none of the earlier texts")])
def test_the_record_of_a_text_is_that_of_the_same_text_earlier(same, words):
    earlier = {"corpus": {"sha256": "aa" if same else "bb"}}
    training = {"corpus": {"sha256": "aa"}, "ancestry": [earlier]}
    assert _texts_known(SimpleNamespace(novelty=SimpleNamespace(earlier=()), training=training)) == words


def grown(session):
    """The model that a training goes on with, in the vocabulary of its corpus."""
    base, corpus, architecture = session.trainer.base, session.trainer.corpus, session.trainer.architecture
    parameters = base.parameters(session.trainer.task, architecture, corpus, 1)
    mixture = base.mixture(corpus)
    return charlm.Model(
        architecture=architecture, vocabulary=corpus.vocabulary, parameters=parameters, lines=False, mixture=mixture
    )


def test_its_first_lines_name_what_is_new_and_what_is_frozen(folder):
    options = {"base": "old.npz", "epochs": 1.0, "threads": 1, "freeze": 1, "also_valid": "new.txt"}
    with TrainingSession("new.txt", TrainingFiles(), options) as session:
        lines = " ".join(opening(session))
    for words in (
        "charlm goes on with old.npz, and learns from new.txt",
        "new symbols: 6 (",
        "frozen: 1 lower layer and the input do not learn",
        "new.txt is measured as a whole",
        f"old.npz has a loss of {session.trainer.state.base_loss:.4f} nats per character on the held-out text",
    ):
        assert words in lines


def test_its_first_lines_name_new_bytes(tmp_path):
    (tmp_path / "t.txt").write_text(LINES, encoding="utf-8")
    options = {"lines": False, "epochs": 0.2, "threads": 1, "level": "byte"}
    model = charlm.train(text="abba cab\n" * 30, **options, hidden=3, layers=1)
    with TrainingSession(tmp_path / "t.txt", TrainingFiles(), {"base": model, "epochs": 0.2, "threads": 1}) as session:
        assert "new symbols: 2 (b'\\xa9', b'\\xc3')" in opening(session)


def test_a_training_that_makes_it_worse_keeps_the_model(folder):
    session = go_on(lr=3.0, ngrams=0, schedule="constant")
    assert session.best.training["valid_loss"] <= session.trainer.state.history[0][2]


@pytest.mark.parametrize(
    ("before", "first", "best", "counts", "words"),
    [
        (2.0, 1.9, 1.5, True, ""),
        (2.0, 1.9, 1.9, True, ": the counts of both texts lowered it, no update did"),
        (2.0, 2.2, 2.1, True, ", and it was better on this text: charlm kept the best model of this training"),
        (2.0, 2.0, 2.0, False, ", and it has become no better: charlm kept its network as it was"),
        (
            *(2.0, 2.1, 2.1, True),
            ", and it was better on this text: charlm kept its network as it was, with counts of both texts",
        ),
    ],
)
def test_it_says_when_nothing_is_gained(before, first, best, counts, words):
    state = SimpleNamespace(base_loss=before, history=[[0, None, first], [9, 2.0, best]], also_before=None)
    base = SimpleNamespace(order=3, ancestry=[{"name": "old.npz"}])
    trainer = SimpleNamespace(state=state, base=base, best_loss=best, ngrams=counts or None)
    (line,) = after_lines(SimpleNamespace(trainer=trainer, unit="word"))
    assert line == f"old.npz had {before:.4f} nats per word before{words}"


def test_a_sample_of_the_held_out_part_is_compared_with_the_loss_before(tmp_path):
    """Where next to nothing is learnt, the loss that is estimated from a sample is the loss before."""
    trainer = trainer_of("6", tmp_path, lr=1e-12, batch=1)
    sampled = [step.sampled_loss for step in trainer.run() if step.sampled_loss is not None]
    assert sampled and np.allclose(sampled, trainer.state.history[0][2], atol=1e-4)


def test_a_very_different_text_is_no_divergence(folder):
    """The loss is far above the unigram model's for more updates than a loss that diverges may be."""
    (folder / "new.txt").write_text("XYZ ZXY\n" * 200)
    with pytest.warns(UserWarning, match="<UNK> is"):
        session = go_on(ngrams=0, lr=1e-9, epochs=2.0, keep_vocabulary=True)
    state, unigrams = session.trainer.state, session.trainer.corpus.log_frequencies
    assert state.step > 30 and state.times_lower == 0 and state.rate_factor == 1
    assert state.losses[0][2] / state.losses[0][1] > 2 - np.exp(unigrams) @ unigrams


# The same bytes


@pytest.mark.parametrize(
    ("kind", "more"),
    [("6", {}), ("4", {}), ("3-classify", {}), ("3-tag", {}), ("3-translate", {"freeze": 1}), ("3-generate", {})],
)
def test_resumed_without_the_model_it_ends_with_the_same_bytes(kind, more, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("new.txt").write_text(KINDS[kind], encoding="utf-8")
    options = {"epochs": 3.0, "threads": 1, "batch": 4, "steps": 8, "also_valid": "new.txt"} | more
    for name in ("whole", "stopped"):
        shutil.copy(GOLDEN / f"format-{kind}.npz", "base.npz")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session = trained(f"{name}.npz", 3 if name == "stopped" else None, **options, base="base.npz")
            Path("base.npz").unlink()
            if name == "stopped":
                assert not session.finished
                trained("stopped.npz", resume=True)
    assert Path("whole.npz").read_bytes() == Path("stopped.npz").read_bytes()
    assert load_model("whole.npz").training["ancestry"][0]["name"] == "base.npz"


def test_the_model_may_stand_at_the_output(folder):
    before = (folder / "old.npz").read_bytes()
    with pytest.raises(UsageError, match="gives? up|--restart"):
        go_on("old.npz", stop=2)
        assert (folder / "old.npz").read_bytes() == before
        go_on("old.npz")
    trained("old.npz", resume=True)
    assert (folder / "old.previous.npz").read_bytes() == before
    assert load_model("old.npz").training["ancestry"][0]["name"] == "old.npz"


def test_a_resumed_training_wants_the_same_text_to_measure(folder):
    go_on(stop=3, also_valid="old.txt")
    (folder / "old.txt").write_text("another text\n" * 20)
    with pytest.raises(ModelFileError, match="the text of --also-valid differs"):
        trained("new.npz", resume=True)


def test_a_resumed_training_wants_the_same_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("new.txt").write_text(LABELLED, encoding="utf-8")
    options = {"base": GOLDEN / "format-3-classify.npz", "epochs": 2.0, "threads": 1, "batch": 4, "steps": 8}
    trained("new.npz", 2, **options)
    Path("new.txt").write_text(LABELLED + "w\tab\nw\tba\n" * 9, encoding="utf-8")
    with pytest.raises(ModelFileError, match="the text differs"):
        trained("new.npz", resume=True)


# From Python, and errors


def test_from_python_with_a_model_in_memory(base):
    model = charlm.load(base)
    options = {"epochs": 0.5, "threads": 1, "progress": False}
    after = charlm.train(text="a new text of some words\n" * 20, base=model, also_valid="the cat 3\n" * 5, **options)
    assert after.training["ancestry"][0]["name"] == "a model from memory"
    model.save(base.parent / "saved.npz")
    digest = charlm.train(text="a new text of some words\n" * 20, base=base.parent / "saved.npz", **options)
    assert digest.training["ancestry"][0]["sha256"] == after.training["ancestry"][0]["sha256"]
    assert after.training["also_valid"]["names"] == ["also_valid"]
    tags = [[("ab", "O"), ("ca", "B-x")]] * 20
    tagger = charlm.train(pairs=tags, base=GOLDEN / "format-3-tag.npz", epochs=0.5, threads=1, progress=False)
    assert tagger.task.name == "tag"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cell": "gru"}, "--cell gru contradicts old.npz, which has --cell lstm; leave it out"),
        ({"hidden": 7}, "--hidden 7 contradicts old.npz, which has --hidden 6"),
        ({"lines": True}, "--lines contradicts old.npz, which has --stream"),
        ({"level": "word"}, "--level word contradicts old.npz, which has --level char"),
        ({"task": "classify"}, "--task classify contradicts old.npz, which has --task text"),
        ({"separator": ""}, '--separator "" contradicts old.npz, which has no --separator'),
        ({"tied": True}, "--tied contradicts old.npz, which has no --tied"),
        ({"freeze": 3}, "--freeze must be at most 2, as old.npz has 2 layers"),
        (
            {"keep_vocabulary": True, "min_count": 2},
            "--min-count chooses new symbols, and --keep-vocabulary takes none",
        ),
        ({"resume": True}, "--resume continues a training from its checkpoint.*: leave out --from"),
        ({"base": None, "freeze": 1}, "--freeze goes with --from MODEL; leave it out"),
        ({"base": None, "also_valid": "old.txt"}, "--also-valid goes with --from MODEL; charlm perplexity measures"),
        ({"base": "no.npz"}, "there is no file no.npz; check the name"),
        ({"base": "new.txt"}, "new.txt is not a model of charlm"),
        ({"log": "old.npz"}, "will not overwrite old.npz with the log"),
        ({"also_valid": "empty.txt"}, "there is no text in empty.txt"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line(options, words, folder):
    Path("empty.txt").write_text("\n")
    with pytest.raises(CharlmError, match=words) as caught:
        go_on(**options)
    assert "\n" not in str(caught.value) and not Path("new.npz").exists()


def test_the_model_is_not_overwritten_by_what_stands_next_to_the_output(folder):
    for name in ("m.previous.npz", "m.checkpoint.npz"):
        shutil.copy("old.npz", name)
        with pytest.raises(CharlmError, match=f"will not overwrite {name}"):
            go_on("m.npz", base=name)
        Path(name).unlink()


def test_an_unknown_label_in_the_text_that_is_also_measured(tmp_path):
    (tmp_path / "also.txt").write_text("w\tab\nx\tba\n")
    with pytest.raises(CharlmError, match="also.txt, the text of --also-valid, has a label or tag that the model"):
        trainer_of("3-classify", tmp_path, also_valid=tmp_path / "also.txt")
