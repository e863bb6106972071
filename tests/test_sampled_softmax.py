"""Updates that compute a sample of the outputs: the sample, its loss and gradient, and trainings with it."""

import numpy as np
import pytest
from click.testing import CliRunner

import charlm
from charlm.cli import program
from charlm.errors import UsageError
from charlm.kernels.compiling import HAS_BFLOAT16
from charlm.learning.autotune import choose, new_trainer, sizes_of_updates
from charlm.learning.checkpoint import Checkpoint, save_checkpoint
from charlm.network.architecture import Architecture, initial_parameters
from charlm.network.sampled_softmax import OutputSample, OutputSampling, inclusion_rates, output_sampling
from charlm.network.stack import Stack, StackWindow
from charlm.network.threads import ThreadPool
from charlm.text.vocabulary import UNKNOWN

V, N, T = 40, 6, 5
WORDS = [f"w{i}" for i in range(60)]
TEXT = "\n".join(" ".join(WORDS[i * j * 7 % (10 + i % 50)] for j in range(1, 9)) for i in range(1, 200))
TRAINING = {"level": "word", "lines": False, "hidden": 12, "layers": 1, "batch": 6, "steps": 7, "softmax_samples": 15}
FREQUENCIES = np.array([90, 0, *(1000 // n for n in range(1, V - 1))])
KINDS = {"one-hot": {}, "embedding": {"embedding": 7}, "tied": {"embedding": 8, "tied": True}}


def stack_of(kind, dtype=np.float64, threads=1, shards=1, **sizes):
    architecture = Architecture(V, hidden=8, layers=1, **KINDS[kind], **sizes)
    parameters = initial_parameters(architecture, np.zeros(V), 1).astype(dtype)
    stack = Stack(architecture, parameters, ThreadPool(threads))
    stack.shard(shards)
    return stack


def batch_of(seed=2):
    tokens = np.random.default_rng(seed).integers(0, V, (T + 1, N)).astype(np.int32)
    targets = tokens[1:].copy()
    targets[0, 0] = -1
    return tokens[:-1].copy(), targets


def trained(stack, inputs, targets, sample):
    """The losses of a window, and a copy of the gradient of their sum. sample: of the outputs, None for all."""
    stack.sample(sample)
    stack.pack(for_training=True)
    window = StackWindow(stack, T, N, training=True)
    nats = window.forward_backward(inputs, targets, 1.0)
    return nats, stack.gradient.copy()


# The sample


@pytest.mark.parametrize("number", [1, 2, 10, 25, V - 1])
def test_the_rates_add_up_to_the_number_and_are_proportional_to_the_frequencies_below_one(number):
    rates = inclusion_rates(FREQUENCIES, number)
    assert rates.sum() == pytest.approx(max(2, number)) and rates[UNKNOWN] == 1  # <UNK>, and one for the others
    assert (rates > 0).all() and (rates <= 1).all()
    below = rates < 1
    constants = rates[below] / (FREQUENCIES[below] + 1)
    assert constants == pytest.approx(constants[0])
    certain = ~below
    certain[UNKNOWN] = False
    assert not certain.any() or (FREQUENCIES[certain] + 1).min() * constants[0] >= 1


def test_a_sample_has_the_targets_and_each_other_output_with_its_rate():
    sampling, targets = OutputSampling(FREQUENCIES, 12), np.array([[30, -1], [31, 30]])
    taken = np.zeros(V)
    for update in range(2000):
        sample = sampling.sample(update, targets)
        assert (np.diff(sample.ids) > 0).all() and {30, 31, UNKNOWN} <= set(sample.ids)
        assert (sample.places[sample.ids] == np.arange(sample.ids.size)).all()
        assert np.count_nonzero(sample.places >= 0) == sample.ids.size
        by_chance = sample.ids[sample.correction > -1e29]
        assert np.exp(-sample.correction[sample.correction > -1e29]) == pytest.approx(sampling.rates[by_chance])
        taken[by_chance] += 1
    error = np.sqrt(sampling.rates * (1 - sampling.rates) / 2000)
    assert (np.abs(taken / 2000 - sampling.rates) <= 4 * error).all()


def test_a_sample_depends_on_the_seed_and_on_the_number_of_the_update_only():
    first, second = OutputSampling(FREQUENCIES, 12, seed=4), OutputSampling(FREQUENCIES, 12, seed=5)
    none = np.array([-1])
    assert (first.sample(7, none).ids == OutputSampling(FREQUENCIES, 12, seed=4).sample(7, none).ids).all()
    assert first.sample(7, none).ids.tolist() != first.sample(8, none).ids.tolist()
    assert first.sample(7, none).ids.tolist() != second.sample(7, none).ids.tolist()


def test_no_sampling_where_all_outputs_are_wanted():
    assert output_sampling(FREQUENCIES, 0) is None and output_sampling(FREQUENCIES, V) is None
    assert output_sampling(FREQUENCIES, V - 1).number == V - 1


# Its loss and gradient


def everything():
    return OutputSample(np.arange(V), np.arange(V, dtype=np.int32), np.zeros(V, np.float32))


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_all_outputs_gives_the_same_bits_as_no_sample(kind, shards):
    inputs, targets = batch_of()
    whole = trained(stack_of(kind, np.float32, shards=shards), inputs, targets, None)
    sampled = trained(stack_of(kind, np.float32, shards=shards), inputs, targets, everything())
    for one, other in zip(whole, sampled, strict=True):
        assert one.tobytes() == other.tobytes()


def loss_of(stack, inputs, targets, sample):
    """The summed loss by the formula of the module, in plain NumPy, from the logits of all outputs."""
    stack.sample(None)
    stack.pack(for_training=False)
    window = StackWindow(stack, T, N)
    window.forward(inputs, targets)
    logits = np.log(window.probabilities)  # up to a constant of each row, which does not change the loss
    total = 0.0
    for t in range(T):
        for n in range(N):
            z, y = logits[t, n], targets[t, n]
            if y >= 0:
                Z = np.exp(z[y])
                for v, correction in zip(sample.ids, sample.correction.astype(float), strict=True):
                    if v != y and correction > -1e29:
                        Z += np.exp(z[v] + correction)
                total += np.log(Z) - z[y]
    return total


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_formula_and_the_gradient_its_derivative(kind):
    stack, (inputs, targets) = stack_of(kind), batch_of()
    sample = OutputSampling(FREQUENCIES, 12).sample(3, targets)
    assert sample.ids.size < V and (sample.correction < -1e29).any() and (sample.correction > 0).any()
    nats, gradient = trained(stack, inputs, targets, sample)
    assert nats.sum() == pytest.approx(loss_of(stack, inputs, targets, sample), rel=1e-6)
    random, step = np.random.default_rng(1), 1e-5
    for _ in range(8):  # along random directions
        direction = random.standard_normal(gradient.size)
        losses = []
        for sign in (1, -1):
            stack.parameters += sign * step * direction
            losses.append(loss_of(stack, inputs, targets, sample))
            stack.parameters -= sign * step * direction
        assert gradient @ direction == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-5)


def test_outputs_that_are_not_in_the_sample_have_no_gradient_also_after_another_sample():
    inputs, targets = batch_of()
    stack, sampling = stack_of("one-hot"), OutputSampling(FREQUENCIES, 6)
    targets[:] = 5
    trained(stack, inputs, targets, everything())
    for update in range(3):
        sample = sampling.sample(update, targets)
        trained(stack, inputs, targets, sample)
        dW, others = stack.head.product.d_parameter, np.setdiff1d(np.arange(V), sample.ids)
        assert others.size and not dW[:, others].any() and not stack.head.db[others].any()
        assert dW[:, sample.ids].all()


def test_the_estimates_are_right_on_average():
    """exp(loss) = Z / exp z_y is unbiased, so its mean over many samples is that of all outputs."""
    stack, (inputs, targets) = stack_of("one-hot"), batch_of()
    stack.parameters += np.random.default_rng(3).standard_normal(stack.parameters.size)
    whole, _ = trained(stack, inputs, targets, None)
    sampling = OutputSampling(FREQUENCIES, 15)
    found = np.array([np.exp(trained(stack, inputs, targets, sampling.sample(u, targets))[0]) for u in range(600)])
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - np.exp(whole)) <= 5 * error + 1e-9).all()
    assert error.max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_threads_gives_the_same_bits(kind):
    inputs, targets = batch_of()
    sample = OutputSampling(FREQUENCIES, 20).sample(1, targets)
    one = trained(stack_of(kind, np.float32), inputs, targets, sample)
    for threads in (2, 3):
        other = trained(stack_of(kind, np.float32, threads), inputs, targets, sample)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def test_scoring_uses_all_outputs_between_updates_with_a_sample():
    stack, (inputs, targets) = stack_of("tied"), batch_of()
    sample = OutputSampling(FREQUENCIES, 6).sample(1, targets)
    stack.pack(for_training=False)
    wanted = StackWindow(stack, T, N).forward(inputs, targets)
    trained(stack, inputs, targets, sample)
    stack.pack(for_training=False)
    assert (StackWindow(stack, T, N).forward(inputs, targets) == wanted).all()


# Trainings


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "text.txt"


def model_of(trainer):
    list(trainer.run())
    return trainer.best.parameters.tobytes()


@pytest.mark.parametrize("more", [{"tied": True}, {"embedding": 9, "dropout": 0.2}, {"lines": True, "cell": "gru"}])
def test_a_training_ends_with_the_same_bytes_for_any_threads_and_after_a_stop(text, tmp_path, more):
    options = {"epochs": 2, "ngrams": 0} | TRAINING | more
    stopped, resumed, threads = (new_trainer(text, **options | {"threads": n}) for n in (1, 2, 3))
    assert stopped.sampling.number == 15 < len(stopped.corpus.vocabulary)
    list(stopped.run(stop=lambda: stopped.step == 5))
    save_checkpoint(stopped, tmp_path / "c.npz", {})
    Checkpoint(tmp_path / "c.npz").restore(resumed)
    assert model_of(stopped) == model_of(resumed) == model_of(threads)
    other = new_trainer(text, **options | {"softmax_samples": 16})
    with pytest.raises(charlm.ModelFileError, match=r"--softmax-samples \(16 now, 15 then\)"):
        Checkpoint(tmp_path / "c.npz").restore(other)


def test_local_updates_of_two_ranks_or_one_give_the_same_bytes(text):
    options = {"epochs": 1, "ngrams": 0, "shards": 2, "local_updates": 3} | TRAINING
    assert model_of(new_trainer(text, threads=1, **options)) == model_of(new_trainer(text, threads=2, **options))


def test_a_training_with_a_sample_learns_about_as_much_as_one_with_all_outputs(text):
    losses = []
    for samples in (40, 0):
        trainer = new_trainer(text, **{"epochs": 6, "ngrams": 0, "lr": 0.02} | TRAINING | {"softmax_samples": samples})
        list(trainer.run())
        losses.append(trainer.best_loss)
    unigrams = -(trainer.corpus.log_frequencies[trainer.corpus.evaluated]).mean()
    assert losses[1] < unigrams - 0.3  # it has learnt
    assert losses[0] == pytest.approx(losses[1], abs=0.05)


def test_a_file_says_how_many_outputs_an_update_computed_only_if_not_all(text, tmp_path):
    for samples, recorded in ((15, 15), (None, None)):
        options = {"epochs": 0.5, "ngrams": 0} | TRAINING | {"softmax_samples": samples}
        model = charlm.train(text, progress=False, **options)
        assert model.training["settings"].get("softmax_samples") == recorded


def test_charlm_says_that_it_samples_and_how_to_have_all(text, tmp_path):
    sizes = ["--level", "word", "--hidden", "8", "--layers", "1", "--batch", "1", "--steps", "7", "--stream"]
    for given, says in (([], True), (["--softmax-samples", "0"], False), (["--softmax-samples", "9"], False)):
        arguments = [text, "-o", tmp_path / "m.npz", "--minutes", "0.002", "--show", "0", *sizes, *given]
        result = CliRunner().invoke(program, ["train", *map(str, arguments)], prog_name="charlm")
        assert result.exit_code == 0, result.output
        words = " ".join(result.output.split())
        assert ("own words and of about 7 others, because all" in words) == says
        assert ("--softmax-samples 0 computes all" in words) == says


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no bfloat16")
def test_a_sample_in_bf16(text):
    options = {"epochs": 1, "ngrams": 0, "precision": "bf16", "tied": True} | TRAINING
    assert model_of(new_trainer(text, threads=1, **options)) == model_of(new_trainer(text, threads=2, **options))


def test_only_language_models_sample_their_outputs(tmp_path):
    (tmp_path / "labels.txt").write_text("a\tb\nc\td\n" * 30)
    with pytest.raises(UsageError, match="^--softmax-samples goes with --task text; leave it out of --task classify$"):
        new_trainer(tmp_path / "labels.txt", task="classify", softmax_samples=5)


# What charlm chooses


class OfSize:
    """As much of a corpus as the plan asks for."""

    lines, held_out_at_random = False, False

    def __init__(self, vocabulary, tokens=1_000_000):
        self.vocabulary, self.train = Symbols(vocabulary), range(tokens)


class Symbols:
    level = "word"

    def __init__(self, number):
        self.number = number

    def __len__(self):
        return self.number


def test_charlm_samples_where_the_vocabulary_is_large():
    assert sizes_of_updates(OfSize(50_000), {}) == {"batch": 32, "steps": 64, "softmax_samples": 2048}
    assert sizes_of_updates(OfSize(8_191), {})["softmax_samples"] is None
    assert sizes_of_updates(OfSize(8_192), {})["softmax_samples"] == 2048
    assert sizes_of_updates(OfSize(8_192), {"batch": 16})["softmax_samples"] == 1024
    assert sizes_of_updates(OfSize(50_000), {"softmax_samples": 0})["softmax_samples"] == 0


def test_a_plan_has_time_for_more_tokens_where_updates_sample():
    budget, given = 1e13, {"hidden": 256}
    sampled, whole = (choose(OfSize(50_000), budget, "lstm", given | more) for more in ({}, {"softmax_samples": 0}))
    assert sampled.tokens > 5 * whole.tokens
