"""A .safetensors file in PyTorch: the program of --snippet computes what charlm does, and foreign weights come in."""

import io
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import charlm
from charlm.export import export_model
from charlm.export.importing import import_model
from charlm.export.snippet import program_for
from charlm.model import Model
from charlm.network.architecture import Architecture, Tagging, Translation
from charlm.predicting import Predictor
from charlm.tasks.classify import Classify, SeveralLabels
from charlm.tasks.generate import Generate
from charlm.tasks.language import LanguageModel
from charlm.tasks.tag import Tag
from charlm.tasks.translate import Translate
from charlm.text.forms import Form
from charlm.text.vocabulary import Vocabulary

torch.set_num_threads(1)
NATS = 1e-5  # per token, at most
CHARACTERS = Vocabulary("char", "abcdefgh ")
WORDS = Vocabulary("word", [" the", "cat", " cat", ".", " sat"])
SUBWORDS = Vocabulary("subword", ["a", "b", "c", " ", "ab", " ab"], [(2, 3), (5, 6)])
BYTES = Vocabulary("byte", [*b"abcdefgh \xc3\xa9"])
TOKENS = Vocabulary("token", ["the", "cat", "sat"])
TEXTS = {
    "char": "a cab\nhad a bad fee\n" * 4,
    "word": "cat sat the cat.\n the cat\n" * 4,
    "subword": "ab abc aab\ncab ab\n" * 4,
    "byte": "caf\xe9 bad \xe9\n" * 4,
    "token": "the cat sat\nthe dog sat\n" * 4,
}
LABELS = ("yes", "no", "maybe")


def model_of(kind, vocabulary, task=None, *, lines=True, seed=1, **sizes):
    """A model with random weights, larger than those of a training."""
    task = task or LanguageModel()
    architecture = kind(**task.architecture_fields(vocabulary) | sizes)
    parameters = np.random.default_rng(seed).normal(0, 0.5, architecture.number_of_parameters).astype(np.float32)
    return Model(
        architecture=architecture, vocabulary=vocabulary, parameters=parameters, lines=lines, task=task, training={}
    )


def run_program(model, folder, monkeypatch, standard_input=""):
    """What the program of --snippet defines and prints."""
    path = folder / "m.safetensors"
    export_model(model, path)
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO(standard_input))
    monkeypatch.setattr(sys, "stdout", printed)
    program, names = program_for(model, path), {}
    compile(program, "snippet", "exec")
    exec(program, names)
    monkeypatch.undo()
    torch.set_grad_enabled(True)
    return names, printed.getvalue()


def nats_of(network, ids, state=None):
    """-log ŷ of each token, in float64, by the network of a program. ids: of the text, what is read first included."""
    with torch.no_grad():
        logits = network(torch.tensor(ids[:-1]), *([] if state is None else [state]))[0]
    return -torch.log_softmax(logits.double(), -1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0].numpy()


LANGUAGE_MODELS = {
    **{f"{cell} {layers}": (CHARACTERS, {"cell": cell, "layers": layers}) for cell in ("lstm", "gru", "rnn", "peephole")
       for layers in (1, 2, 3)},
    "words": (WORDS, {"cell": "lstm"}),
    "subwords": (SUBWORDS, {"cell": "gru"}),
    "bytes": (BYTES, {"cell": "lstm"}),
    "tokens": (TOKENS, {"cell": "rnn"}),
    "embedding": (WORDS, {"cell": "gru", "embedding": 5}),
    "tied": (WORDS, {"cell": "lstm", "embedding": 8, "tied": True, "layers": 2}),
    "feedforward": (CHARACTERS, {"cell": "feedforward", "context": 3}),
    "feedforward of one token": (CHARACTERS, {"cell": "feedforward", "context": 1, "layers": 1}),
    "feedforward with an embedding": (WORDS, {"cell": "feedforward", "context": 4, "embedding": 3}),
}  # fmt: skip


@pytest.mark.parametrize("lines", [False, True], ids=["stream", "lines"])
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_pytorch_gives_a_text_the_same_probability(name, lines, tmp_path, monkeypatch):
    vocabulary, sizes = LANGUAGE_MODELS[name]
    model = model_of(Architecture, vocabulary, lines=lines, **{"hidden": 8, "layers": 2} | sizes)
    text = TEXTS[vocabulary.level]
    names, printed = run_program(model, tmp_path, monkeypatch)
    texts = [text] if not lines else text.splitlines(keepends=True)
    found = np.concatenate([nats_of(names["network"], [0, *vocabulary.encode(one).tolist()]) for one in texts])
    assert len(found) > 20 and printed.endswith("\n")
    expected = charlm.rows(model, text, "token")["log_probability"]
    assert np.abs(found + expected).max() <= 10 * NATS and abs(found.sum() + expected.sum()) <= NATS * len(found)


def test_the_program_samples_from_the_distribution_of_the_model(tmp_path, monkeypatch):
    """From a model that has learnt: its program writes its lines."""
    model = charlm.train(lines=["abab", "cdcd"] * 40, epochs=60, hidden=12, layers=1, lr=0.03, ngrams=0, seed=2)
    torch.manual_seed(1)
    lines = {run_program(model, tmp_path, monkeypatch)[1] for _ in range(12)}
    assert lines == {"abab\n", "cdcd\n"}


@pytest.mark.parametrize("level", TEXTS)
def test_the_program_of_items_of_several_lines_and_of_bytes_runs(level, tmp_path, monkeypatch):
    vocabulary = {"char": Vocabulary("char", "ab\v", form=Form("none", ""))}.get(level) or {
        "word": WORDS, "subword": SUBWORDS, "byte": BYTES, "token": TOKENS}[level]  # fmt: skip
    model = model_of(Architecture, vocabulary, cell="gru", hidden=4, layers=1)
    torch.manual_seed(3)
    _, printed = run_program(model, tmp_path, monkeypatch)
    assert printed.endswith("\n") and "\v" not in printed


def test_a_program_writes_lines_of_a_label(tmp_path, monkeypatch):
    model = model_of(Architecture, CHARACTERS, Generate(LABELS), cell="lstm", hidden=6, layers=2)
    names, _ = run_program(model, tmp_path, monkeypatch)
    ids = [0, *CHARACTERS.encode("a bad cab\n").tolist()]
    for number, label in enumerate(LABELS):
        found = nats_of(names["network"], [len(CHARACTERS) + number, *ids[1:]])
        expected = charlm.log_probability(model.given(label), "a bad cab\n")
        assert abs(found.sum() + expected) / len(found) <= NATS


@pytest.mark.parametrize("task", [Classify, SeveralLabels])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "peephole"])
def test_pytorch_gives_labels_the_same_probabilities(cell, bidirectional, task, tmp_path, monkeypatch):
    sizes = {"cell": cell, "hidden": 5, "layers": 2, "bidirectional": bidirectional, "embedding": 4 * bidirectional}
    model = model_of(Architecture, CHARACTERS, task(LABELS), **sizes)
    texts = ["a bad cab", "", "fee fee ?", "h"]
    names, printed = run_program(model, tmp_path, monkeypatch, "".join(f"{text}\n" for text in texts))
    assert len(printed.splitlines()) == 4
    for text, expected in zip(texts, Predictor(model).predict(texts, top=3), strict=True):
        with torch.no_grad():
            logits = names["network"](names["encoded"](text))
        found = torch.sigmoid(logits) if task is SeveralLabels else torch.softmax(logits, -1)
        assert np.allclose([expected[label] for label in LABELS], found.numpy(), atol=NATS)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "peephole"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_pytorch_gives_words_the_same_tags(cell, bidirectional, tmp_path, monkeypatch):
    tags, words = ("A", "B", "C"), ("bad", "cab")
    sizes = {"cell": cell, "hidden": 5, "layers": 2, "bidirectional": bidirectional, "embedding": 3 * bidirectional}
    model = model_of(Tagging, CHARACTERS, Tag(tags, words, False), **sizes)
    sentence = ["bad", "cabs", "hé", "a"]
    names, printed = run_program(model, tmp_path, monkeypatch, f"{' '.join(sentence)}\n\n")
    (expected,) = Predictor(model).predict([sentence])
    assert printed.split() == [f"{word}/{tag}" for word, tag in zip(sentence, expected["tags"], strict=True)]
    with torch.no_grad():
        logits = names["network"](list(map(names["encoded"], sentence)), torch.tensor([1, 0, 0, 0]))
    assert np.allclose(torch.softmax(logits, -1).max(-1).values.numpy(), expected["probabilities"], atol=NATS)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn", "peephole"])
@pytest.mark.parametrize(
    "sizes", [{"bidirectional": True}, {"embedding": 6, "tied": True}, {"bidirectional": True, "embedding": 3}]
)
def test_pytorch_gives_targets_the_same_probability(cell, sizes, tmp_path, monkeypatch):
    model = model_of(Translation, CHARACTERS, Translate(8), cell=cell, hidden=6, layers=2, **sizes)
    sources = ["a bad cab", "h"]
    names, printed = run_program(model, tmp_path, monkeypatch, "".join(f"{text}\n" for text in sources))
    for text, line, expected in zip(sources, printed.split("\n"), Predictor(model).predict(sources), strict=False):
        assert line == expected["target"]
        ids = [0, *CHARACTERS.encode(line).tolist(), *([0] if len(line) < 16 else [])]
        network = names["network"]
        with torch.no_grad():
            found = nats_of(network.decoder, ids, network.read(names["encoded"](text)))
        assert abs(found.sum() + expected["log_probability"]) / len(found) <= NATS


def test_there_is_no_short_program_that_cuts_a_text_into_subwords(tmp_path):
    model = model_of(Architecture, SUBWORDS, Classify(LABELS), cell="gru", hidden=4, layers=1)
    with pytest.raises(charlm.UsageError, match="no short program for --task classify with subwords"):
        program_for(model, tmp_path / "m.safetensors")


class Foreign(torch.nn.Module):
    """A language model as people write it, with names of their own."""

    def __init__(self, module, symbols, width, hidden, layers=1, *, embedding=False, tied=False, bias=True):
        super().__init__()
        self.emb = torch.nn.Embedding(symbols, width) if embedding else None
        self.recurrent = getattr(torch.nn, module)(width, hidden, layers, bias=bias)
        self.fc = torch.nn.Linear(hidden, symbols, bias=bias)
        if tied:
            self.fc.weight = self.emb.weight

    def nats(self, ids):
        x = self.emb(torch.tensor(ids)) if self.emb else torch.eye(self.fc.out_features)[ids]
        with torch.no_grad():
            logits = self.fc(self.recurrent(x[:-1])[0])
        return -torch.log_softmax(logits.double(), -1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0].numpy()


SYMBOLS = ["a", "b", "\n", "c", " ", "<unk>", "d"]  # in an order that is not charlm's
FOREIGN = {
    "LSTM": ("LSTM", 7, 9, {}),
    "GRU of 3 layers": ("GRU", 7, 9, {"layers": 3}),
    "RNN": ("RNN", 7, 9, {}),
    "embedding": ("LSTM", 4, 9, {"embedding": True}),
    "embedding as wide as the layer": ("GRU", 9, 9, {"embedding": True}),
    "tied": ("LSTM", 9, 9, {"embedding": True, "tied": True, "layers": 2}),
    "without biases": ("GRU", 7, 5, {"bias": False}),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("name", FOREIGN)
def test_a_language_model_of_pytorch_comes_in(name, dtype, tmp_path):
    module, width, hidden, options = FOREIGN[name]
    torch.manual_seed(4)
    foreign = Foreign(module, len(SYMBOLS), width, hidden, **options).to(dtype)
    tensors = {key: value for key, value in foreign.state_dict().items() if not (options.get("tied") and "fc.w" in key)}
    save_file(tensors, tmp_path / "w.safetensors")
    (tmp_path / "symbols.txt").write_text("".join(f"{symbol}\n" for symbol in ["a", "b", "\\n", *SYMBOLS[3:]]))
    model, _ = import_model(tmp_path / "w.safetensors", tmp_path / "symbols.txt")
    text = "a cab bad d\n?b\nabba\n" * 3
    ids = [SYMBOLS.index(symbol if symbol in SYMBOLS else "<unk>") for symbol in "\n" + text]
    found, expected = charlm.rows(model, text, "token")["log_probability"], -foreign.float().nats(ids)
    assert np.abs(found - expected).max() <= 10 * NATS and abs(found.sum() - expected.sum()) <= NATS * len(found)
    assert model.architecture.tied == options.get("tied", False)


def test_weights_that_were_trained_on_in_pytorch_come_back_with_the_symbols_of_the_model(tmp_path, monkeypatch):
    model = model_of(Architecture, SUBWORDS, cell="gru", hidden=6, layers=1, lines=False)
    model.save(tmp_path / "m.npz")
    names, _ = run_program(model, tmp_path, monkeypatch)
    with torch.no_grad():
        for parameter in names["network"].parameters():
            parameter *= 1.5
    tensors = load_file(tmp_path / "m.safetensors") | names["network"].state_dict()
    save_file(tensors, tmp_path / "trained.safetensors")
    trained, notes = import_model(tmp_path / "trained.safetensors", tmp_path / "m.npz")
    ids = [0, *SUBWORDS.encode(TEXTS["subword"]).tolist()]
    found = charlm.log_probability(trained, TEXTS["subword"])
    assert abs(found + nats_of(names["network"], ids).sum()) <= NATS * len(ids)
    assert trained.vocabulary == model.vocabulary and len(notes) == 1
