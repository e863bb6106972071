"""charlm's networks in onnxruntime: the same log-probability of each token, within 10⁻⁵ nats, and the same answers."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import LANGUAGE_MODELS, OTHER_MODELS, PAIRS, TEXT

import charlm
from charlm.network.probabilities import log_softmax
from charlm.network.threads import ThreadPool
from charlm.scoring.scorer import Scorer
from charlm.tasks.examples import ROWS, encode_texts
from charlm.tasks.translate import Pairs
from charlm.text.vocabulary import EOS, UNKNOWN

CLOSE = 1e-5  # nats per token
MANUAL = Path(__file__).parents[2] / "docs" / "guide" / "export.md"


def exported(model, path):
    """The graph of a model in onnxruntime, from a file that ONNX's own checks accept."""
    charlm.export_model(model, path)
    onnx.checker.check_model(str(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def zero_states(session, rows=1):
    """The states before the first token, by name."""
    kinds = {"tensor(int64)": np.int64, "tensor(float)": np.float32}
    return {one.name: np.zeros((rows, one.shape[1]), kinds[one.type]) for one in session.get_inputs()[1:]}


def logits_of(session, tokens, states):
    """The logits after each token, (T, N, V), and the states after all. tokens: (T, N); states: by name."""
    logits, *after = session.run(None, {"tokens": tokens.astype(np.int64)} | states)
    assert [one.name for one in session.get_outputs()[1:]] == [f"{name}.after" for name in states]
    return logits, dict(zip(states, after, strict=True))


def nats(logits, targets):
    """-log ŷ of each target: (T, N). logits: (T, N, V)."""
    return -np.take_along_axis(log_softmax(logits.astype(np.float64)), targets[..., None], 2)[..., 0]


def network_alone(model):
    return replace(model, mixture=None)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_each_token_of_a_text_has_the_same_log_probability(trained, tmp_path, name):
    model = network_alone(trained(name))
    session = exported(model, tmp_path / "m.onnx")
    text = TEXT[-700:] + "Zoë\n§ unknown\n"
    ids = model.vocabulary.encode(text).astype(np.int64)
    expected = Scorer(model).measure(ids).nats
    assert UNKNOWN in ids and len(ids) > 100 and expected.max() > 3
    if model.lines:  # each line on its own, from the zero state
        cuts = np.flatnonzero(ids == EOS) + 1
        lines = np.split(ids, cuts[:-1])
    else:
        lines = [ids]
    found = []
    for line in lines:
        before = np.concatenate(([EOS], line[:-1]))[:, None]
        logits, _ = logits_of(session, before, zero_states(session))
        found.append(nats(logits, line[:, None])[:, 0])
    assert np.abs(np.concatenate(found) - expected).max() < CLOSE


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_the_states_go_on_from_call_to_call(trained, tmp_path, name):
    """Several texts side by side, in pieces of several sizes: the same bits as in one piece, or nearly."""
    session = exported(network_alone(trained(name)), tmp_path / "m.onnx")
    tokens = np.random.default_rng(1).integers(0, len(trained(name).vocabulary), (40, 3))
    whole, end = logits_of(session, tokens, zero_states(session, 3))
    states, parts = zero_states(session, 3), []
    for piece in np.split(tokens, [1, 2, 3, 17, 30]):
        logits, states = logits_of(session, piece, states)
        parts.append(logits)
    assert np.abs(np.concatenate(parts) - whole).max() < CLOSE
    assert all(np.abs(states[state] - end[state]).max() < CLOSE for state in end)
    if states:
        fresh, _ = logits_of(session, tokens[-10:], zero_states(session, 3))
        assert np.abs(fresh - whole[-10:]).max() > 1e-3  # else the states would not matter


def test_a_large_vocabulary_is_looked_up(trained, tmp_path):
    """One-hot input of more symbols than a layer has columns: no product with V rows, and no second copy of W_x."""
    for name, operator in (("words", "EyeLike"), ("lstm", "OneHot")):
        one = trained(name)
        assert (len(one.vocabulary) > 4 * one.architecture.hidden) == (name == "words")
        charlm.export_model(one, tmp_path / "m.onnx")
        graph = onnx.load(tmp_path / "m.onnx").graph
        assert operator in {node.op_type for node in graph.node}
        weights = sum(int(np.prod(constant.dims)) for constant in graph.initializer)
        assert weights < 1.1 * one.architecture.number_of_parameters + 100


def window_of(model):
    network = model.task.network(model.architecture, model.parameters, ThreadPool(1))
    network.pack(for_training=False)
    return model.task.window(network, 1, ROWS)


TEXTS = ["a", "", "cdede7", "unknown §", "bde" * 9]


@pytest.mark.parametrize("name", [name for name in OTHER_MODELS if name.startswith(("classify", "several"))])
def test_the_labels_of_texts_have_the_same_probabilities(trained, tmp_path, name):
    model = trained(name)
    session = exported(model, tmp_path / "m.onnx")
    texts = encode_texts(model.vocabulary, TEXTS)
    feeds = {"tokens": texts.padded(np.arange(len(TEXTS)), 0).astype(np.int64), "lengths": texts.lengths}
    (logits,) = session.run(None, feeds)
    expected = model.task.probabilities(window_of(model), model.vocabulary, TEXTS)
    found = 1 / (1 + np.exp(-logits)) if name == "several-labels" else np.exp(log_softmax(logits))
    assert np.ptp(expected, axis=0).max() > 0.01  # the text matters
    assert np.abs(np.log(found) - np.log(expected)).max() < CLOSE


@pytest.mark.parametrize("name", ["tag", "tag-in-both-directions"])
def test_the_tags_of_words_have_the_same_probabilities(trained, tmp_path, name):
    model = trained(name)
    session = exported(model, tmp_path / "m.onnx")
    sentences = ["Zoë sees old Oak3 Street".split(), ["Ann"], "Ann Ann unseen Elm2 words".split()]
    batch = model.task.batch(model.task.part(model.vocabulary, sentences), np.arange(3))
    _, expected = window_of(model).forward(batch)
    names = {"words": batch.words, "word_lengths": batch.word_lengths, "known": batch.known}
    feeds = names | {"tokens": batch.inputs, "lengths": batch.lengths}
    (logits,) = session.run(None, {name: array.astype(np.int64) for name, array in feeds.items()})
    assert 0 in batch.known and batch.known.max() > 0
    for row, length in enumerate(batch.lengths):
        found = log_softmax(logits[:length, row].astype(np.float64))
        assert np.abs(found - np.log(expected[:length, row])).max() < CLOSE


@pytest.mark.parametrize("name", [name for name in OTHER_MODELS if name.startswith("translate")])
def test_targets_have_the_same_log_probability_from_encoder_and_decoder(trained, tmp_path, name):
    model = trained(name)
    decoder = exported(model, tmp_path / "m.onnx")
    encoder = onnxruntime.InferenceSession(str(tmp_path / "m.encoder.onnx"), providers=["CPUExecutionProvider"])
    onnx.checker.check_model(str(tmp_path / "m.encoder.onnx"), full_check=True)
    pairs = [tuple(line.split("\t")) for line in PAIRS.splitlines()[:5]] + [("a", "bbb"), ("", "§")]
    vocabulary, task = model.vocabulary, model.task
    sources = encode_texts(vocabulary, [source for source, _ in pairs])
    targets = encode_texts(vocabulary, [target for _, target in pairs])
    batch = task.batch(Pairs(sources, targets), np.arange(len(pairs)))
    expected, _ = window_of(model).forward(batch)
    feeds = {"tokens": batch.sources.astype(np.int64), "lengths": batch.source_lengths}
    states = dict(zip((one.name for one in encoder.get_outputs()), encoder.run(None, feeds), strict=True))
    assert list(states) == [one.name for one in decoder.get_inputs()[1:]]
    logits, _ = logits_of(decoder, batch.inputs, states)
    found = np.where(batch.targets < 0, 0, nats(logits, np.maximum(batch.targets, 0).astype(np.int64)))
    assert expected.max() > 1
    assert np.abs(found - expected).max() < CLOSE


@pytest.mark.parametrize("name", ["generate", "generate-feedforward"])
def test_a_label_is_the_first_token(trained, tmp_path, name):
    model = trained(name)
    session = exported(model, tmp_path / "m.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    size, label = len(json.loads(metadata["vocabulary"])), json.loads(metadata["labels"]).index("z")
    ids = model.vocabulary.encode("cdede2\n").astype(np.int64)
    tokens = np.concatenate(([size + label], ids[:-1]))[:, None]
    logits, _ = logits_of(session, tokens, zero_states(session))
    assert logits.shape[2] == size
    assert np.abs(nats(logits, ids[:, None]).sum() + charlm.log_probability(model.given("z"), "cdede2")) < CLOSE


def test_the_metadata_say_what_the_ids_are(trained, tmp_path):
    for name in ("lstm", "bytes", "subwords", "list", "tag", "translate"):
        model = trained(name)
        metadata = exported(model, tmp_path / "m.onnx").get_modelmeta().custom_metadata_map
        assert (metadata["task"], metadata["level"]) == (model.task.name, model.vocabulary.level)
        assert metadata["charlm"] == charlm.__version__
        values = {key: json.loads(value) for key, value in metadata.items() if key not in ("task", "level", "charlm")}
        assert values["vocabulary"][2:] == list(model.vocabulary.symbols)
        assert values["vocabulary"][:2] == [10 if name == "bytes" else "\n", None]
        assert (values["end_of_sequence_id"], values["unknown_id"], values["lines"]) == (EOS, UNKNOWN, model.lines)
        assert ("merges" in values) == (name == "subwords") and ("tags" in values) == (name == "tag")


def test_what_the_file_lacks_is_told(trained, tmp_path):
    model = trained("n-grams")
    (line,) = charlm.export_model(model, tmp_path / "m.onnx")
    alone = model.training["alone"]["network"]
    assert f"without the n-grams: its held-out loss is {alone:.4f} nats per character" in line
    assert charlm.export_model(trained("lstm"), tmp_path / "m.onnx") == []
    (line,) = charlm.export_model(trained("translate"), tmp_path / "m.onnx")
    assert "m.encoder.onnx has the encoder" in line


def test_the_program_of_the_manual_writes_names(trained, tmp_path, monkeypatch, capsys):
    (program,) = re.findall(r"^```py\n(.*?)^```$", MANUAL.read_text(encoding="utf-8"), re.S | re.M)
    model = trained("list")
    charlm.export_model(model, tmp_path / "dinosaurs.onnx")
    monkeypatch.chdir(tmp_path)
    np.random.seed(1)
    exec(program, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and len(set("".join(lines))) > 10
    assert all(charlm.log_probability(model, line) > -10 * (len(line) + 1) for line in lines)  # else not its own


def test_the_same_model_is_the_same_bytes_and_other_files_stay(trained, tmp_path):
    model = trained("lstm")
    path = tmp_path / "m.onnx"
    charlm.export_model(model, path)
    first = path.read_bytes()
    charlm.export_model(model, path)
    assert path.read_bytes() == first
    path.write_bytes(b"\x08\x07\x12\x07pytorch")
    with pytest.raises(charlm.CharlmError, match="will not overwrite"):
        charlm.export_model(model, path)
    path.unlink()
    (tmp_path / "m.encoder.onnx").write_text("mine")
    with pytest.raises(charlm.CharlmError, match="m.encoder.onnx"):
        charlm.export_model(trained("translate"), path)
    assert not path.exists()
