"""The feed-forward language model: it equals its equation, it sees the latest tokens and no others, and it sees nothing
before the beginning of a line."""

import itertools
import math

import numpy as np
import pytest

import charlm
from charlm.errors import ModelFileError, UsageError
from charlm.learning.autotune import new_trainer
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.model import Model, load_model
from charlm.modelfile import FEEDFORWARD_FORMAT, model_header
from charlm.network.architecture import MOST_CONTEXT, Architecture, views
from charlm.network.measuring import BURN_IN, CHUNK, NumPyEngine, score_tokens
from charlm.network.reference import reference_of, softmax
from charlm.network.stack import Stack, StackWindow
from charlm.network.threads import ThreadPool
from charlm.scoring.adaptive import AdaptingScorer
from charlm.scoring.scorer import Engines
from charlm.text.vocabulary import EOS, Vocabulary

V = 7
INPUTS = pytest.mark.parametrize("embedding", [0, 3], ids=["one-hot", "embedding"])


def network(context, embedding=0, layers=1, dtype=np.float32, hidden=21, size=V):
    """An architecture, and random parameters for it."""
    architecture = Architecture(size, "feedforward", hidden, layers, embedding=embedding, context=context)
    random = np.random.default_rng([context, embedding, layers])
    return architecture, random.normal(0, 0.5, architecture.number_of_parameters).astype(dtype)


def window_for(architecture, parameters, steps, rows, threads=1):
    stack = Stack(architecture, parameters, ThreadPool(threads))
    stack.pack(for_training=False)
    return StackWindow(stack, steps, rows)


def text(steps, rows, seed=1):
    return np.random.default_rng(seed).integers(0, V, (steps, rows)).astype(np.int32)


def nats_by_hand(architecture, parameters, tokens, targets):
    """-log ŷ of each target of one sequence, by the equation: a sum over the positions that hold a token."""
    named, found, n = views(architecture, parameters), [], architecture.context
    matrices = np.split(named["layer1.W_x"], n)
    for t, target in enumerate(targets.tolist()):
        z = named["layer1.b"].copy()
        for k in range(1, n + 1):
            if t - k + 1 >= 0:
                token = tokens[t - k + 1]
                x = named["E"][token] if architecture.embedding else np.eye(V)[token]
                z += x @ matrices[k - 1]
        a = np.tanh(z)
        for layer in range(2, architecture.layers + 1):
            a = np.tanh(a @ named[f"layer{layer}.W_x"] + named[f"layer{layer}.b"])
        found.append(-math.log(softmax(a @ named["W_ya"] + named["b_y"])[target]))
    return np.array(found)


@INPUTS
@pytest.mark.parametrize(("context", "layers"), [(1, 1), (3, 1), (3, 2), (9, 3), (MOST_CONTEXT, 1)])
def test_it_equals_its_equation(embedding, context, layers):
    architecture, parameters = network(context, embedding, layers, np.float64, hidden=5)
    tokens, targets = text(12, 4, 1), text(12, 4, 2)
    by_kernels = window_for(architecture, parameters, 12, 4).forward(tokens, targets)
    by_numpy = reference_of(architecture, parameters, 4).forward(tokens, targets)
    for row in range(4):
        expected = nats_by_hand(architecture, parameters, tokens[:, row], targets[:, row])
        assert np.allclose(by_kernels[:, row], expected, rtol=1e-10)
        assert np.allclose(by_numpy[:, row], expected, rtol=1e-10)


@INPUTS
@pytest.mark.parametrize("context", [1, 4])
def test_it_sees_the_latest_tokens_and_no_others(embedding, context):
    """Earlier tokens change no bit, whether they stand in the same window of text or in the window before."""
    architecture, parameters = network(context, embedding, layers=2)
    tokens = text(20, 3)
    changed = tokens.copy()
    changed[:9] = (changed[:9] + 1) % V
    for steps, pieces in ((20, [(0, 20)]), (20, [(0, 7), (7, 10), (10, 20)]), (3, [(0, 2), (2, 20)])):
        results = []
        for read in (tokens, changed):
            window = window_for(architecture, parameters, steps, 3)
            nats = [window.forward(read[a:b], tokens[a:b]) for a, b in pieces]
            results.append(np.concatenate(nats))
        same = (results[0] == results[1]).all(axis=1)
        assert same[9 + context - 1 :].all() and not same[: 9 + context - 1].any()


@INPUTS
def test_every_position_has_a_matrix_of_its_own(embedding):
    """So the parameters grow with the context, and a token at one position does not train those of another one."""
    sizes = [network(n, embedding)[0].number_of_parameters for n in (1, 2, 3, 16)]
    matrix = (embedding or V) * 21
    assert [size - sizes[0] for size in sizes] == [0, matrix, 2 * matrix, 15 * matrix]
    architecture, parameters = network(3, embedding, dtype=np.float64)
    stack = Stack(architecture, parameters, ThreadPool(1))
    stack.pack(for_training=True)
    tokens = np.full((3, 1), 4, np.int32)
    targets = np.array([[-1], [5], [-1]], np.int32)  # the loss is of a step that sees two tokens
    StackWindow(stack, 3, 1, training=True).forward_backward(tokens, targets, 1.0)
    of_positions = np.split(views(architecture, stack.gradient)["layer1.W_x"], 3)
    assert of_positions[0].any() and of_positions[1].any() and not of_positions[2].any()


def test_the_gradient_has_all_of_the_past_in_it():
    """Also of the tokens in the window of text before; only the loss of its steps is missing."""
    architecture, parameters = network(5, 3, layers=2, dtype=np.float64)
    stack = Stack(architecture, parameters, ThreadPool(1))
    stack.pack(for_training=True)
    tokens, targets = text(9, 2, 1), text(9, 2, 2)
    late = targets.copy()
    late[:4] = -1
    StackWindow(stack, 9, 2, training=True).forward_backward(tokens, late, 0.5)
    whole = stack.gradient.copy()
    window = StackWindow(stack, 5, 2, training=True)
    window.forward(tokens[:4], targets[:4])
    window.forward_backward(tokens[4:], targets[4:], 0.5)
    assert np.allclose(stack.gradient, whole, rtol=1e-12, atol=1e-15) and whole.any()


@pytest.mark.parametrize("harm", [math.nan, -3.0, 0.5, V + 1.0, 1e30])
def test_a_state_that_is_no_token_counts_as_none(harm):
    """A checkpoint that somebody edited may hold any number where the latest tokens stand."""
    architecture, parameters = network(4)
    tokens = text(5, 3)
    found = []
    for past in (0.0, harm):
        window = window_for(architecture, parameters, 5, 3)
        (state,) = window.state
        state[:] = past
        found.append(window.forward(tokens, tokens).tobytes())
    assert found[0] == found[1]


def model_of(lines, context=5, **sizes):
    vocabulary = Vocabulary("char", "abcde")
    architecture, parameters = network(context, **sizes)
    return Model(architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=lines)


def random_text(characters, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("abcde\n"), characters)) + "\n"


def test_a_line_is_scored_as_if_there_were_no_other():
    """To the last bit, in the kernels and in NumPy."""
    model = model_of(lines=True)
    lines = [line for line in random_text(400).split("\n") if line]
    tokens = model.vocabulary.encode("".join(line + "\n" for line in lines))
    for engine in (Engines(model, threads=2).compiled(8), NumPyEngine(model.architecture, model.parameters, 8)):
        together = score_tokens(engine, tokens, True)
        alone = [score_tokens(engine, model.vocabulary.encode(line + "\n"), True) for line in lines]
        assert np.array_equal(together, np.concatenate(alone))


def test_chunks_of_a_stream_score_as_one_long_text(monkeypatch):
    """To the last bit: the burn-in of a chunk is longer than the context."""
    assert BURN_IN >= MOST_CONTEXT
    model = model_of(lines=False, context=MOST_CONTEXT)
    tokens = model.vocabulary.encode(random_text(2 * CHUNK + 100))
    in_chunks = score_tokens(Engines(model).compiled(4), tokens, False)
    monkeypatch.setattr("charlm.network.measuring.CHUNK", 10**9)
    assert np.array_equal(score_tokens(Engines(model).compiled(1), tokens, False), in_chunks)


def test_a_text_in_parts_is_measured_as_a_whole():
    model, whole = model_of(lines=False), random_text(700)
    tokens = model.vocabulary.encode(whole)
    scorer = charlm.scoring.scorer.Scorer(model)
    parts = [scorer.measure(tokens[a:b]).nats for a, b in itertools.pairwise((0, 3, 300, 301, len(tokens)))]
    assert np.array_equal(np.concatenate(parts), charlm.scoring.scorer.Scorer(model).measure(tokens).nats)


@INPUTS
@pytest.mark.parametrize("lines", [True, False])
def test_a_sample_has_the_probability_that_scoring_gives(embedding, lines):
    model = model_of(lines, embedding=embedding, layers=2)
    samples = list(charlm.sample(model, 5, length=30, start_with="ab", prime="" if lines else "cde", seed=3))
    assert (
        list(charlm.sample(model, 2, length=30, start_with="ab", prime="" if lines else "cde", seed=3)) == samples[:2]
    )
    for sample in samples:
        if lines:
            assert charlm.log_probability(model, sample.text) == pytest.approx(sample.log_probability, rel=1e-5)
        else:
            before, whole = (charlm.log_probability(model, part) for part in ("cde", "cde" + sample.text))
            assert whole - before == pytest.approx(sample.log_probability, rel=1e-5)
    filled = next(charlm.sample(model, fill="a__b", seed=1))
    assert charlm.log_probability(model, filled.text) == pytest.approx(filled.log_probability, rel=1e-5)


def test_it_learns_while_it_reads():
    model = model_of(lines=False)
    tokens = model.vocabulary.encode("abcde" * 60 + "\n")
    fixed = AdaptingScorer(model, (), 1e-9).measure(tokens).nats
    learnt = AdaptingScorer(model, (), 0.01).measure(tokens).nats
    assert np.allclose(fixed, charlm.scoring.scorer.Scorer(model).measure(tokens).nats, rtol=1e-4)
    assert learnt[-50:].mean() < fixed[-50:].mean() / 2


def test_a_pattern_longer_than_its_context_cannot_be_learnt(tmp_path):
    """Of two letters, the one before n hyphens comes after them again: a context of n tokens cannot tell which, a
    context of n + 1 can."""
    random = np.random.default_rng(1)
    path = tmp_path / "pairs.txt"
    path.write_text("".join(f"{letter}---{letter}\n" for letter in random.choice(list("pq"), 300)))
    options = {
        "lines": True,
        "cell": "feedforward",
        "hidden": 16,
        "layers": 1,
        "epochs": 20,
        "batch": 16,
        "lr": 0.02,
        "ngrams": 0,
    }
    losses = []
    for context in (3, 4):
        model = charlm.train(path, context=context, **options)
        losses.append(charlm.perplexity(model, "p---p\nq---q\n").nats / 2)
    once = math.log(2)  # nobody can predict the first letter
    assert losses[0] == pytest.approx(2 * once, abs=0.15) and losses[1] == pytest.approx(once, abs=0.15)


def test_its_file_has_the_context(tmp_path):
    model = model_of(lines=True, context=6)
    model.save(tmp_path / "m.npz")
    again = load_model(tmp_path / "m.npz")
    assert again.architecture == model.architecture and again.architecture.context == 6
    assert model_header(model)["format"] == FEEDFORWARD_FORMAT
    assert "context" not in Architecture(V).as_dict()


def test_a_label_stands_where_the_beginning_would(tmp_path):
    path = tmp_path / "letters.tsv"
    path.write_text("x\tabba\ny\tbaab\n" * 30)
    options = {
        "task": "generate",
        "cell": "feedforward",
        "hidden": 12,
        "layers": 1,
        "epochs": 30,
        "lr": 0.02,
        "batch": 8,
    }
    model = charlm.train(path, context=3, **options)
    assert [next(iter(found)) for found in charlm.predict(model, ["abba", "baab"])] == ["x", "y"]
    given = model.given("x")
    assert charlm.perplexity(given, "abba").nats < 0.3 < charlm.perplexity(given, "baab").nats
    task, batch = model.task, model.task.part(model.vocabulary, [("x", "abba")], "")
    network = task.network(model.architecture, model.parameters, ThreadPool(1))
    network.pack(for_training=False)
    read = task.batch(model.vocabulary, batch.texts, np.array([0]), np.array([0]))
    nats = task.window(network, 1, 4).forward(read)[0]
    assert float(nats.sum()) == pytest.approx(charlm.perplexity(given, "abba").nats, rel=1e-4)


@pytest.fixture
def lines(tmp_path, tiny_text):
    (tmp_path / "text.txt").write_text(tiny_text, encoding="utf-8")
    return tmp_path / "text.txt"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": 4}, "--context is for --cell feedforward"),
        ({"cell": "feedforward", "context": 0}, "context must be .*1 to 64"),
        ({"cell": "feedforward", "context": 65}, "context must be .*1 to 64"),
        ({"cell": "feedforward", "bidirectional": True}, "--bidirectional does not go with --task text"),
        ({"cell": "feedforward", "task": "classify"}, "--cell feedforward does not go with --task classify"),
        ({"cell": "feedforward", "task": "translate"}, "--cell feedforward does not go with --task translate"),
    ],
)
def test_wrong_options_are_errors(lines, options, words):
    with pytest.raises(UsageError, match=words) as caught:
        new_trainer(lines, epochs=1, **options)
    assert "\n" not in str(caught.value)


def test_other_networks_have_no_context():
    for fields in ({"cell": "lstm", "context": 8}, {"cell": "feedforward", "bidirectional": True}):
        with pytest.raises(UsageError):
            Architecture(V, **fields)
    with pytest.raises(UsageError, match="--max-vocabulary"):
        Architecture(2**24, "feedforward", 1, 1)


def test_resuming_with_another_context_names_it(lines, tmp_path):
    settings = {"cell": "feedforward", "hidden": 8, "epochs": 1, "steps": 20}
    trainer = new_trainer(lines, **settings, context=4)
    list(trainer.run(stop=lambda: True))
    save_checkpoint(trainer, tmp_path / "c.npz", {})
    checkpoint = Checkpoint(tmp_path / "c.npz")
    assert checkpoint.arrays["state0"].shape == (trainer.rows, 3)
    with pytest.raises(ModelFileError, match=r"--context \(8 now, 4 then\)"):
        checkpoint.restore(new_trainer(lines, **settings))


def test_beginnings_are_the_same_in_training_scoring_and_sampling(lines):
    """Before the first token is <EOS>, and before that nothing: the loss of an untrained network says so."""
    trainer = new_trainer(lines, cell="feedforward", context=3, hidden=8, epochs=1, lines=True, seed=2)
    trainer.parameters[:] = np.random.default_rng(1).normal(0, 0.5, trainer.parameters.size)
    batch = next(trainer.task.batches(trainer.corpus, 4, 40, np.random.default_rng(1)))
    trainer.network.pack(for_training=True)
    nats = trainer.task.window(trainer.network, 40, 4, training=True).train(batch, 1.0, None)
    model = Model(
        architecture=trainer.architecture,
        vocabulary=trainer.corpus.vocabulary,
        parameters=trainer.parameters,
        lines=True,
    )
    for row in range(4):
        ids = batch.targets[:, row][batch.targets[:, row] >= 0]
        line = model.vocabulary.decode(ids.tolist())
        assert ids[-1] == EOS and nats[: len(ids), row].sum() == pytest.approx(
            charlm.perplexity(model, line).nats, rel=1e-5
        )
