"""The program that ``charlm export --snippet`` prints: it loads the weights in PyTorch, and samples or predicts.

A program is put together from parts: how the file is read, the cell that PyTorch lacks, the network, how a text becomes
ids, and what the network is asked. It computes the network alone, without the n-grams of a mixture. Sequences have no
axis for a batch: ids are (T), and outputs (T, …).
"""

import os

from ..errors import UsageError
from ..model import Model
from ..network.architecture import Architecture
from ..network.cells import CELLS
from ..text.vocabulary import FOUND_BY

MODULES = {"lstm": "torch.nn.LSTM", "gru": "torch.nn.GRU", "rnn": "torch.nn.RNN", "peephole": "PeepholeLSTM"}
INPUTS = ("classify", "tag", "translate")  # tasks whose models read a text of a person
PEEPHOLE = '''
class PeepholeLSTM(torch.nn.LSTM):
    """An LSTM whose gates see the cell state; PyTorch has none."""

    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)
        for name in [name for name, _ in self.named_parameters() if name.startswith("weight_hh")]:
            peephole = torch.nn.Parameter(torch.zeros(3, self.hidden_size))
            self.register_parameter(name.replace("weight_hh", "peephole"), peephole)

    def forward(self, x, state=None):
        before, after = list(zip(*state)) if state else [], []
        for layer in range(self.num_layers):
            outputs = []
            for end in ["", "_reverse"][: 1 + self.bidirectional]:
                w_ih, w_hh, b_ih, b_hh, p = (
                    getattr(self, f"{name}_l{layer}{end}")
                    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "peephole")
                )
                h, c = before[len(after)] if state else torch.zeros(2, self.hidden_size)
                rows = []
                for z in (x @ w_ih.T + b_ih + b_hh).flip([0] if end else []):
                    i, f, g, o = (z + w_hh @ h).chunk(4)
                    c = torch.sigmoid(f + p[1] * c) * c + torch.sigmoid(i + p[0] * c) * torch.tanh(g)
                    h = torch.sigmoid(o + p[2] * c) * torch.tanh(c)
                    rows.append(h)
                outputs.append(torch.stack(rows).flip([0] if end else []))
                after.append((h, c))
            x = torch.cat(outputs, -1)
        return x, tuple(map(torch.stack, zip(*after)))
'''


def program_for(model: Model, path) -> str:
    """A program in Python for PyTorch that loads the file at ``path``, to which a model was exported. Raises UsageError
    for a model whose texts a short program cannot read."""
    name, a = model.task.name, model.architecture
    if a.channels:
        what = "--task chords" if name == "chords" else "a model of vectors"
        raise UsageError(f"there is no short program for {what}; leave out --snippet")
    writes = name not in INPUTS
    if model.vocabulary.level == "subword" and not writes:
        raise UsageError(
            f"there is no short program for --task {name} with subwords, into which it would have to cut a text; leave "
            "out --snippet"
        )
    network, use = {
        "text": (_language_model, _sample),
        "generate": (_language_model, _sample),
        "classify": (_classifier, _classify),
        "tag": (_tagger, _tag),
        "translate": (_translator, _translate),
    }[name]
    what = "Samples from" if writes else "Predicts with"
    alone = ": its network alone, without its n-grams" if model.mixture else ""
    parts = [
        f'"""{what} a model of charlm in PyTorch{alone}."""\n',
        _opening(model, path),
        f"\n{PEEPHOLE}" if a.cell == "peephole" else "",
        f"\n\n{network(model)}",
        "\n\nnetwork = Network()\nnetwork.load_state_dict(weights)\ntorch.set_grad_enabled(False)\n",
        "" if writes else _encoding(model),
        use(model),
    ]
    return "".join(parts)


def _opening(model: Model, path) -> str:
    """How the file is read: weights, header, and symbols, the text of each id."""
    level = model.vocabulary.level
    symbols = {
        "byte": '[b"\\n", b"<UNK>", *(bytes([value]) for value in vocabulary)]',
        "token": '["\\n", "<UNK> ", *(f"{token} " for token in vocabulary)]',
    }.get(level, '["\\n", "<UNK>", *vocabulary]')
    tied = 'weights["decoder.weight"] = weights["embedding.weight"]\n' if model.architecture.tied else ""
    if tied and model.task.name == "translate":
        tied = 'weights["decoder.decoder.weight"] = weights["decoder.embedding.weight"]\n'
    modules = "import json\n"
    if model.task.name in INPUTS:
        modules += "import re\nimport sys\n" if level in FOUND_BY else "import sys\n"
    return f"""{modules}
import torch
from safetensors import safe_open

with safe_open({os.fspath(path)!r}, "pt") as file:
    header = json.loads(file.metadata()["charlm"])
    weights = {{name: file.get_tensor(name) for name in file.keys() if not name.startswith("charlm.")}}
{tied}vocabulary = header["vocabulary"]["symbols"]
symbols = {symbols}
"""


def _rnn(a: Architecture) -> str:
    """The layers of a stack as a module."""
    inputs = a.embedding or a.vocabulary_size
    both = ", bidirectional=True" if a.bidirectional else ""
    return f"{MODULES[a.cell]}({inputs}, {a.hidden}, num_layers={a.layers}{both})"


def _stack(a: Architecture) -> str:
    """The modules of a stack with one-hot input or an embedding, as lines of __init__."""
    embedding = (
        f"        self.embedding = torch.nn.Embedding({a.vocabulary_size}, {a.embedding})\n" if a.embedding else ""
    )
    decoder = f"        self.decoder = torch.nn.Linear({a.state_size}, {a.output_size})\n" if a.output_size else ""
    return f"{embedding}        self.rnn = {_rnn(a)}\n{decoder}"


def _entry(a: Architecture) -> str:
    """The input of the first layer, from ids."""
    return "self.embedding(ids)" if a.embedding else f"torch.nn.functional.one_hot(ids, {a.vocabulary_size}).float()"


def _final(a: Architecture) -> str:
    """The output of the last layer after the whole of a text, from the states that the layers end with."""
    state = "state[0]" if CELLS[a.cell].has_c else "state"
    return f"torch.cat(({state}[-2], {state}[-1]))" if a.bidirectional else f"{state}[-1]"


def _class(name: str, init: str, *methods: str) -> str:
    head = f"class {name}(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    return head + init + "".join(f"\n{method}" for method in methods)


def _language_model(model: Model) -> str:
    a = model.architecture
    if a.context:
        return _feedforward(a)
    return _class(
        "Network",
        _stack(a),
        f"""    def forward(self, ids, state=None):
        output, state = self.rnn({_entry(a)}, state)
        return self.decoder(output), state
""",
    )


def _feedforward(a: Architecture) -> str:
    """A feed-forward network reads its latest tokens, the last one first; state: the inputs of those before."""
    n, inputs = a.context, a.embedding or a.vocabulary_size
    embedding = (
        f"        self.embedding = torch.nn.Embedding({a.vocabulary_size}, {a.embedding})\n" if a.embedding else ""
    )
    widths = [n * inputs, *[a.hidden] * a.layers]
    layers = ", ".join(f"torch.nn.Linear({below}, {above})" for below, above in zip(widths, widths[1:], strict=False))
    return _class(
        "Network",
        f"{embedding}        self.layers = torch.nn.ModuleList([{layers}])\n"
        f"        self.decoder = torch.nn.Linear({a.hidden}, {a.output_size})\n",
        f"""    def forward(self, ids, state=None):
        before = torch.zeros({n - 1}, {inputs}) if state is None else state
        x = torch.cat([before, {_entry(a)}])  # then the inputs {n - 1} to 0 tokens back, the latest first
        output = torch.cat([x[back : back + len(ids)] for back in range({n - 1}, -1, -1)], -1)
        for layer in self.layers:
            output = torch.tanh(layer(output))
        return self.decoder(output), x[len(ids) :]
""",
    )


def _sample(model: Model) -> str:
    """The loop that samples: from <EOS>, or for --task generate from the label."""
    task, level = model.task, model.vocabulary.level
    first = (
        "ids, state, text = torch.tensor([0]), None, []  # 0 is the end of a line, which stands before the first one\n"
    )
    if task.name == "generate":
        first = f"""label = {task.labels[0]!r}  # one of header["task"]["labels"]
ids, state, text = torch.tensor([len(symbols) + header["task"]["labels"].index(label)]), None, []
"""
    text = 'b"".join(text).decode(errors="replace")' if level == "byte" else '"".join(text)'
    text += '.replace("\\v", "\\n")' if model.vocabulary.form.separator is not None else ""
    ends = "    if ids == 0:  # the end of the line\n        break\n" if model.lines or task.name == "generate" else ""
    return f"""
{first}for _ in range(500):
    logits, state = network(ids, state)
    logits[-1, 1] = -torch.inf  # never <UNK>
    ids = torch.multinomial(torch.softmax(logits[-1], -1), 1)
{ends}    text.append(symbols[ids])
print({text})
"""


def _encoding(model: Model) -> str:
    """A function of the program: a text → its ids."""
    level, form = model.vocabulary.level, model.vocabulary.form
    tokens = {"byte": "text.encode()", "char": "text"}.get(level)
    if tokens is None:
        tokens = f"re.findall({FOUND_BY[level].pattern!r}, text)"
    normalized = f"    text = unicodedata.normalize({form.normalize!r}, text)\n" if form.normalize != "none" else ""
    imported = "    import unicodedata\n\n" if normalized else ""
    return f"""

def encoded(text):
{imported}{normalized}    return torch.tensor([known.get(token, 1) for token in {tokens}] or [0])


known = {{symbol: number for number, symbol in enumerate(vocabulary, 2)}}
"""


def _classifier(model: Model) -> str:
    a = model.architecture
    return _class(
        "Network",
        _stack(a),
        f"""    def forward(self, ids):
        _, state = self.rnn({_entry(a)})
        return self.decoder({_final(a)})
""",
    )


def _classify(model: Model) -> str:
    link = "torch.sigmoid(logits)" if "multi_label" in model.task.fields() else "torch.softmax(logits, -1)"
    return f"""for line in sys.stdin:
    logits = network(encoded(line.rstrip("\\n")))
    found = dict(zip(header["task"]["labels"], {link}.tolist()))
    print(max(found, key=found.get), found)
"""


def _tagger(model: Model) -> str:
    reader, sentence = model.architecture.reader, model.architecture.sentence
    inside = _class(
        "Reader",
        _stack(reader),
        f"""    def forward(self, ids):
        _, state = self.rnn({_entry(reader)})
        return {_final(reader)}
""",
    )
    over = _class(
        "Sentence",
        _stack(sentence),
        """    def forward(self, vectors):
        return self.decoder(self.rnn(vectors)[0])
""",
    )
    return f"""{inside}

{over}

{
        _class(
            "Network",
            f'''        self.reader, self.sentence = Reader(), Sentence()
        self.words = torch.nn.Embedding({model.architecture.words_size}, {reader.hidden})
''',
            '''    def forward(self, words, numbers):
        read = torch.stack([self.reader(ids) for ids in words])
        return self.sentence(torch.cat((read, self.words(numbers)), -1))
''',
        )
    }"""


def _tag(model: Model) -> str:
    return """numbers = {word: number for number, word in enumerate(header["task"]["words"], 1)}
for line in sys.stdin:  # a sentence: words with spaces between them
    words = line.split()
    if words:
        logits = network(list(map(encoded, words)), torch.tensor([numbers.get(word, 0) for word in words]))
        print(*(f"{word}/{header[\'task\'][\'tags\'][tag]}" for word, tag in zip(words, logits.argmax(-1))))
"""


def _translator(model: Model) -> str:
    encoder, decoder = model.architecture.encoder, model.architecture.decoder
    states, has_c = sum(decoder.carried), CELLS[decoder.cell].has_c
    first = f"self.bridge({_final(encoder)}).view(-1, {decoder.hidden})  # {'h and c' if has_c else 'h'} of each layer"
    parts = "(first[0::2].contiguous(), first[1::2].contiguous())" if has_c else "first"
    inside = _class(
        "Encoder",
        _stack(encoder),
        f"""    def forward(self, ids):
        return self.rnn({_entry(encoder)})[1]
""",
    )
    outside = _class(
        "Decoder",
        _stack(decoder),
        f"""    def forward(self, ids, state):
        output, state = self.rnn({_entry(decoder)}, state)
        return self.decoder(output), state
""",
    )
    return f"""{inside}

{outside}

{
        _class(
            "Network",
            f'''        self.encoder, self.decoder = Encoder(), Decoder()
        self.bridge = torch.nn.Linear({encoder.state_size}, {states})
''',
            f'''    def read(self, ids):
        state = self.encoder(ids)
        first = {first}
        return {parts}
''',
        )
    }"""


def _translate(model: Model) -> str:
    text = 'b"".join(text).decode(errors="replace")' if model.vocabulary.level == "byte" else '"".join(text)'
    return f"""for line in sys.stdin:
    ids, state, text = torch.tensor([0]), network.read(encoded(line.rstrip("\\n"))), []
    while len(text) < {2 * model.task.longest}:
        logits, state = network.decoder(ids, state)
        logits[-1, 1] = -torch.inf  # never <UNK>
        ids = logits[-1:].argmax(-1)
        if ids == 0:
            break
        text.append(symbols[ids])
    print({text})
"""
