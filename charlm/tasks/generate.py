"""One to many: lines given a label, which is what the network reads first, in the place of <EOS>.

After that it is a language model of lines: with its label's row of W_x (or E) in the place of <EOS>'s it is an
ordinary one, which ``Generate.given`` makes, and which samples, fills in and measures as any other.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import UsageError
from ..figures import exp
from ..network.probabilities import softmax
from ..text.batches import Batch, Sequences, groups
from ..text.corpus import CorpusOptions
from ..text.novelty import Novelty
from ..text.vocabulary import EOS, UNITS, UNKNOWN, as_bytes, code_points, unknown_share
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    ended,
    in_order,
    labelled,
    labels_of,
    log_shares,
    numbers_of,
    read_examples,
    tokens_for,
    vocabulary_of,
)
from .labels import Labels
from .language import LanguageModel


@dataclass
class GivenLines:
    """Lines as ids, each with its <EOS>, and the number of each one's label, (lines)."""

    texts: Sequences
    labels: np.ndarray

    def __len__(self):
        return len(self.texts.ids)


class Generate(Labels):
    """A ``Task``. The network knows the labels as the symbols behind the vocabulary's."""

    name = "generate"
    commands = "sample or charlm perplexity with --given, charlm predict, or charlm evaluate"
    why_not_bidirectional = "what also reads from the end would read the answer"
    defaults = {"layers": 1, "batch": 32, "steps": 64, "lr": 0.016, "dropout": 0.1}

    @classmethod
    def load(cls, paths, **reading) -> "tuple[Generate, Examples]":
        """Lines ``label<TAB>text`` or ``__label__x text``; the labels and symbols are those of the training part."""
        reading = CorpusOptions(**reading)
        train, held_out, source = read_examples(labelled, lambda pair: pair[:1], paths, reading)
        task = cls(labels_of(label for label, _ in train))
        vocabulary = vocabulary_of((text for _, text in train), reading)
        parts = [task.part(vocabulary, examples, "the held-out part") for examples in (train, held_out)]
        counts = np.bincount(parts[0].texts.ids, minlength=len(vocabulary))
        unknown = unknown_share(counts[counts > 0], bool(counts[UNKNOWN]))
        shares = log_shares(parts[0].texts.ids, len(vocabulary))
        shares[UNKNOWN] = max(shares[UNKNOWN], np.log(max(unknown, 1e-9)))
        known = None
        if reading.novelty:
            in_bytes = reading.level == "byte"
            points = (lambda text: np.frombuffer(as_bytes(text), np.uint8)) if in_bytes else code_points
            known = Novelty.of_text(lambda: (points(text + "\n") for _, text in train), in_bytes, True)
        return task, Examples(vocabulary, *parts, shares, *source, unknown, known)

    def part(self, vocabulary, examples, where: str) -> GivenLines:
        """Pairs (label, text) as numbers. Raises CorpusError where a label is unknown."""
        labels = numbers_of((label for label, _ in examples), self.labels, where)
        return GivenLines(ended(vocabulary, [text for _, text in examples]), labels)

    def sizes(self, vocabulary):
        size = len(vocabulary)
        return {"vocabulary_size": size + len(self.labels), "outputs": size, "bidirectional": False}

    def unit(self, level):
        return UNITS[level]

    def size_in_words(self, level, rows, steps):
        return f"up to {rows} lines and {rows * steps:,} {UNITS[level]}s together"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.stack import Stack

        return Stack(architecture, parameters, pool, unknown)

    def batch(self, vocabulary, texts: Sequences, chosen: np.ndarray, labels: np.ndarray) -> Batch:
        """Some texts side by side, by their numbers, each read after its label, by that one's number (chosen)."""
        targets = texts.side_by_side(chosen, -1)
        inputs = np.concatenate(((len(vocabulary) + labels)[None].astype(np.int32), np.maximum(targets[:-1], EOS)))
        return Batch(inputs, targets, True, texts.lengths[chosen])

    def batches(self, corpus, rows, steps, random):
        part = corpus.train
        for chosen in groups(part.texts.starts, rows, random, rows * steps):
            yield self.batch(corpus.vocabulary, part.texts, chosen, part.labels[chosen])

    def small_batch(self):
        zeros = np.zeros((1, 1), np.int32)
        return Batch(zeros, zeros, True, np.ones(1, np.int64))

    def evaluation(self, network, corpus):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = in_order(part.texts.lengths[:EVALUATED], tokens_for(len(corpus.vocabulary)))
        batches = [self.batch(corpus.vocabulary, part.texts, some, part.labels[some]) for some in chosen]
        return ExampleEvaluation(network, self.window(network, 1, ROWS), batches)

    def given(self, model, label: str):
        """The language model of a label's lines. Raises UsageError where there is no such label."""
        if label not in self.labels:
            raise UsageError(f"the model knows no label {label!r}; it knows {', '.join(self.labels)}")
        size = len(model.vocabulary)
        architecture = replace(model.architecture, vocabulary_size=size, outputs=None)
        first = "E" if architecture.embedding else "layer1.W_x"
        named = model.named_parameters
        of_places = named[first].reshape(-1, size + len(self.labels), named[first].shape[1])  # several for a window
        table = of_places[:, :size].copy()
        table[:, EOS] = of_places[:, size + self.labels.index(label)]
        parameters = np.concatenate([values.ravel() for values in (named | {first: table}).values()])
        return replace(model, architecture=architecture, parameters=parameters, task=LanguageModel())

    def nats(self, window, vocabulary, texts: list[str]) -> np.ndarray:
        """-log ŷ of each text and its end given each label, (texts, labels)."""
        sequences, number = ended(vocabulary, texts), len(self.labels)
        found = np.empty((len(texts), number))
        lengths = np.repeat(sequences.lengths, number)
        for pairs in in_order(lengths, tokens_for(len(vocabulary))):
            chosen, labels = np.divmod(pairs, number)
            batch = self.batch(vocabulary, sequences, chosen, labels)
            found[chosen, labels] = window.forward(batch)[0].sum(0, dtype=np.float64)
        return found

    def probabilities(self, window, vocabulary, texts):
        """Of each label for each text, (texts, labels): how well it explains that, if each is as likely beforehand."""
        return softmax(-self.nats(window, vocabulary, texts).reshape(-1, len(self.labels)))

    def evaluate(self, window, vocabulary, lines) -> "Given":
        """How well lines are explained by their labels, and how often by no other so well."""
        labels, texts = self.answered(lines)
        numbers, own, best = numbers_of(labels, self.labels, ""), [], []
        for some in self.some_of(texts):
            nats, its = self.nats(window, vocabulary, some), numbers[len(best) : len(best) + len(some)]
            own += nats[np.arange(len(some)), its].tolist()
            best += (nats.argmin(1) == its).tolist()
        return Given(self.labels, numbers, np.array(own), np.array(best), ended(vocabulary, texts).lengths)


@dataclass(frozen=True)
class Given:
    """What labels make of lines. Of each line (lines): numbers, its label; nats, given that label; best, whether no
    other label explains it as well; tokens, its end included."""

    labels: tuple[str, ...]
    numbers: np.ndarray
    nats: np.ndarray
    best: np.ndarray
    tokens: np.ndarray

    def of(self, chosen: np.ndarray) -> dict:
        """The figures of some lines."""
        tokens, nats = int(self.tokens[chosen].sum()), float(self.nats[chosen].sum())
        return {
            "lines": int(chosen.sum()),
            "tokens": tokens,
            "nats_per_token": nats / tokens,
            "perplexity": exp(nats / tokens),
            "accuracy": float(self.best[chosen].mean()),
        }

    def as_dict(self) -> dict:
        of_labels = {self.labels[number]: self.of(self.numbers == number) for number in np.unique(self.numbers)}
        return self.of(self.numbers >= 0) | {"labels": of_labels}

    def lines(self) -> list[str]:
        """A row for all lines and one for each label, for people."""
        rows = {"all": self.of(self.numbers >= 0)} | self.as_dict()["labels"]
        width = max(map(len, rows))
        table = [f"{'label':<{width}}   lines   tokens   nats/token   perplexity   explained best by it"]
        for label, row in rows.items():
            table.append(
                f"{label:<{width}}  {row['lines']:>6,}  {row['tokens']:>7,}  {row['nats_per_token']:>11.4f}  "
                f"{row['perplexity']:>11.3f}   {100 * row['accuracy']:>18.1f} %"
            )
        return table


TASK = Generate
