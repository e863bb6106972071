"""Models of vectors in onnxruntime and in PyTorch: the same answers within 10⁻⁵ nats, and the same gradient."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import charlm
from charlm.errors import UsageError
from charlm.export.state_dict import to_tensors
from charlm.network.architecture import Architecture, views
from charlm.network.probabilities import log_softmax
from charlm.network.sequences import Windows
from charlm.network.stack import Stack
from charlm.network.threads import ThreadPool
from charlm.tasks.examples import ROWS
from charlm.text.batches import Batch
from charlm.vectors.archives import checked_arrays

CLOSE = 1e-5  # nats
SMALL = {"hidden": 7, "epochs": 2, "threads": 1, "progress": False}
CELLS = ("lstm", "gru", "rnn")


@pytest.fixture(scope="module")
def arrays():
    random = np.random.default_rng(1)
    return [random.normal(3, 2, (int(random.integers(2, 9)), 3)) for _ in range(30)]


def trained_on(arrays, task, **options):
    number = range(len(arrays))
    labels = [["a", "bc"][one % 2] for one in number]
    if task == "tag":
        labels = [[label] * len(array) for label, array in zip(labels, arrays, strict=True)]
    return charlm.train(arrays=arrays, labels=labels, task=task, **SMALL | options)


def session_of(path):
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def fed(arrays):
    """The inputs of a graph: the numbers as they are, zeros after the ends."""
    lengths = np.array([len(array) for array in arrays])
    vectors = np.zeros((lengths.max(), len(arrays), 3), np.float32)
    for row, array in enumerate(arrays):
        vectors[: len(array), row] = array
    return {"vectors": vectors, "lengths": lengths}


def window_of(model):
    network = model.task.network(model.architecture, model.parameters, ThreadPool(1))
    network.pack(for_training=False)
    return model.task.window(network, 1, ROWS)


@pytest.mark.parametrize("cell", [*CELLS, "peephole"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_labels_and_tags_have_the_same_probabilities_in_onnx(arrays, tmp_path, cell, bidirectional):
    options = {"cell": cell, "bidirectional": bidirectional, "layers": 2} | (
        {"hidden": 2} if cell == "peephole" else {}
    )
    model = trained_on(arrays, "classify", **options)
    charlm.export_model(model, tmp_path / "m.onnx")
    session = session_of(tmp_path / "m.onnx")
    (logits,) = session.run(None, fed(arrays))
    items = checked_arrays(arrays, "items")
    expected = model.task.probabilities(window_of(model), model.vocabulary, items)
    assert np.ptp(expected, axis=0).max() > 0.003
    assert np.abs(log_softmax(logits) - np.log(expected)).max() < CLOSE
    assert json.loads(session.get_modelmeta().custom_metadata_map["vectors"])["names"] == ["1", "2", "3"]
    model = trained_on(arrays, "tag", **options)
    charlm.export_model(model, tmp_path / "m.onnx")
    (logits,) = session_of(tmp_path / "m.onnx").run(None, fed(arrays))
    for row, one in enumerate(charlm.predict(model, arrays)):
        found = log_softmax(logits[: len(arrays[row]), row]).max(-1)
        assert np.abs(found - np.log(one["probabilities"])).max() < CLOSE


def test_the_states_that_a_target_begins_with_are_the_same_in_onnx(arrays, tmp_path):
    model = trained_on(arrays, "translate", embedding=4)
    charlm.export_model(model, tmp_path / "m.onnx")
    encoder, decoder = session_of(tmp_path / "m.encoder.onnx"), session_of(tmp_path / "m.onnx")
    states = encoder.run(None, fed(arrays))
    names = [one.name for one in decoder.get_inputs()]
    first = np.zeros((1, len(arrays)), np.int64)
    logits = decoder.run(None, dict(zip(names, [first, *states], strict=True)))[0][0]
    part = model.task.numbers_of(checked_arrays(arrays, "items"))
    chosen, window = np.arange(len(arrays)), window_of(model)
    targets = [model.vocabulary.encode("a")] * len(arrays)
    from charlm.tasks.translate_vectors import VectorPairs
    from charlm.text.batches import Sequences

    batch = model.task.batch(VectorPairs(part, Sequences(targets)), chosen)
    expected = window.forward(batch)[1][0]
    assert np.abs(log_softmax(logits) - np.log(expected)).max() < CLOSE


@pytest.mark.parametrize("task", ["classify", "tag", "translate"])
def test_the_weights_come_back_and_pages_and_programs_say_no(arrays, tmp_path, task):
    model = trained_on(arrays, task)
    charlm.export_model(model, tmp_path / "m.safetensors")
    again = charlm.import_model(tmp_path / "m.safetensors")
    assert again.parameters.tobytes() == model.parameters.tobytes() and again.task == model.task
    charlm.export_model(model, tmp_path / "hub", to="hub")
    assert charlm.import_model(tmp_path / "hub").parameters.tobytes() == model.parameters.tobytes()
    card = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    assert "3 channels" in card and "of characters" not in card
    with pytest.raises(UsageError, match="a page lets a person type texts.*--input vectors"):
        charlm.export_model(model, tmp_path / "m.html")


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_gradient_is_that_of_pytorch(cell, layers, bidirectional):
    """In float64, of sequences of different lengths, with a target at each step and at the last one."""
    random = np.random.default_rng(layers)
    a = Architecture(2, cell, 5, layers, outputs=4, bidirectional=bidirectional, channels=3)
    parameters = random.normal(0, 0.4, a.number_of_parameters)
    lengths, inputs = np.array([6, 3, 1, 4]), random.normal(0, 1, (6, 4, 3))
    inside = np.arange(6)[:, None] < lengths
    targets = np.where(inside, random.integers(0, 4, (6, 4)), -1).astype(np.int32)
    stack = Stack(a, parameters, ThreadPool(1))
    stack.pack(for_training=True)
    nats = Windows(stack, 4, training=True).train(Batch(inputs, targets, True, lengths), 0.1, None)

    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[cell]
    network = torch.nn.ModuleDict({"rnn": module(3, 5, num_layers=layers, bidirectional=bidirectional)})
    network["decoder"] = torch.nn.Linear(a.state_size, 4)
    network.double()
    tensors = to_tensors(a, views(a, parameters))
    network.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.from_numpy(inputs), lengths, enforce_sorted=False)
    states, _ = torch.nn.utils.rnn.pad_packed_sequence(network["rnn"](packed)[0])
    losses = torch.nn.functional.cross_entropy(
        network["decoder"](states).permute(0, 2, 1), torch.from_numpy(targets).long(), ignore_index=-1, reduction="none"
    )
    (0.1 * losses.sum()).backward()
    assert np.abs(losses.detach().numpy() - nats).max() < 1e-10
    gradients = to_tensors(a, views(a, stack.gradient))
    for name, parameter in network.named_parameters():
        if cell == "gru" and "bias" in name:  # charlm has one bias where PyTorch adds two
            continue
        if name.startswith("rnn.bias_hh"):
            continue
        expected = parameter.grad.numpy()
        assert np.abs(gradients[name] - expected).max() < 1e-6 * max(1, np.abs(expected).max()), name
