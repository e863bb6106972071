"""One to many: lines given a label. The network reads the label first, in place of <EOS>.

After that it is a language model of lines. If the label's row of W_x (or E) replaces that of <EOS>, the network is an
ordinary language model, which ``Generate.given`` makes: it samples, fills gaps and scores like any other.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..errors import UsageError
from ..network.growing import Places
from ..network.probabilities import softmax
from ..portable.functions import log
from ..score import exp
from ..text.batches import Batch, Sequences, groups
from ..text.corpus import CorpusOptions
from ..text.layout import fits, stacked
from ..text.novelty import Novelty
from ..text.vocabulary import EOS, UNITS, UNKNOWN, Known, as_bytes, code_points
from .examples import (
    EVALUATED,
    ROWS,
    ExampleEvaluation,
    Examples,
    build_vocabulary,
    by_length,
    distinct_labels,
    encode_with_end,
    label_numbers,
    log_frequencies,
    read_examples,
    tokens_for,
)
from .labels import LabelTask
from .language import LanguageModel
from .summary import number_of


@dataclass
class ConditionedLines:
    """texts: the ids of each line with its <EOS>. labels: the index of its label, (lines)."""

    texts: Sequences
    labels: np.ndarray

    def __len__(self):
        return len(self.texts.ids)


class Generate(LabelTask):
    """A ``PredictionTask``. For its network the labels are symbols that follow those of the vocabulary."""

    name = "generate"
    learns = "lines given their label"
    commands = "sample or charlm perplexity with --given, charlm predict, or charlm evaluate"
    why_not_bidirectional = "a network that also reads from the end would read the answer"
    reads_whole_line = False
    defaults = {"layers": 1, "batch": 32, "steps": 64, "lr": 0.016, "dropout": 0.1}

    @classmethod
    def load(cls, paths, options: CorpusOptions, known: Known | None = None) -> "tuple[Generate, Examples]":
        """Labels and texts (see ``labels``). The training part gives the labels and the vocabulary."""
        found = read_examples(cls.form(), paths, options)
        labels = distinct_labels((label for label, _ in found.train), known.task.labels if known else ())
        task = cls(labels, found.columns if options.columns else None)
        vocabulary = build_vocabulary((text for _, text in found.train), options, known=known)
        train = task.part(vocabulary, found.train, "the training part")
        counts = np.bincount(train.texts.ids, minlength=len(vocabulary))
        unknown = vocabulary.unknown_rate(counts)
        frequencies = log_frequencies(train.texts.ids, len(vocabulary))
        frequencies[UNKNOWN] = max(frequencies[UNKNOWN], log(max(unknown, 1e-9)))
        return task, Examples(
            vocabulary=vocabulary,
            train=train,
            held_out=task.part(vocabulary, found.held_out, "the held-out part"),
            log_frequencies=frequencies,
            **found.facts(),
            unknown_rate=unknown,
            novelty=_novelty(found.train, found.held_out, options.level == "byte") if options.novelty else None,
        )

    def part(self, vocabulary, examples, where: str) -> ConditionedLines:
        """The ids of examples (label, text). Raises CorpusError, which names ``where``, for an unknown label."""
        labels = label_numbers((label for label, _ in examples), self.labels, where)
        return ConditionedLines(encode_with_end(vocabulary, [text for _, text in examples]), labels)

    def architecture_fields(self, vocabulary):
        size = len(vocabulary)
        return {"vocabulary_size": size + len(self.labels), "outputs": size, "bidirectional": False}

    def places(self, before, vocabulary, old):
        ids = vocabulary.ids_of(old)
        return Places(np.append(ids, len(vocabulary) + np.arange(len(before.labels))), ids)

    def unit(self, level):
        return UNITS[level]

    def batch_description(self, corpus, rows, steps):
        tokens = number_of(rows * steps, UNITS[corpus.vocabulary.level])
        return f"up to {number_of(rows, 'line')} with {tokens} in all"

    def network(self, architecture, parameters, pool, unknown=0.0):
        from ..network.head import softmax_head
        from ..network.stack import Stack

        return Stack(architecture, parameters, pool, head=partial(softmax_head, unknown=unknown))

    def batch(self, vocabulary, texts: Sequences, chosen: np.ndarray, labels: np.ndarray) -> Batch:
        """Some texts, by their indices, each after its label. labels: the index of the label of each, (chosen)."""
        targets = texts.padded(chosen, -1)
        inputs = np.concatenate(((len(vocabulary) + labels)[None].astype(np.int32), np.maximum(targets[:-1], EOS)))
        return Batch(inputs, targets, fresh=True, lengths=texts.lengths[chosen])

    def batches(self, corpus, rows, steps, random):
        part = corpus.train
        for chosen in groups(part.texts.starts, rows, random, rows * steps):
            yield self.batch(corpus.vocabulary, part.texts, chosen, part.labels[chosen])

    def small_batch(self):
        zeros = np.zeros((1, 1), np.int32)
        return Batch(zeros, zeros, fresh=True, lengths=np.ones(1, np.int64))

    def evaluation(self, network, corpus, ngrams=None):
        part = corpus.held_out
        if not len(part):
            return None
        chosen = by_length(part.texts.lengths[:EVALUATED], tokens_for(len(corpus.vocabulary)))
        batches = [self.batch(corpus.vocabulary, part.texts, some, part.labels[some]) for some in chosen]
        return ExampleEvaluation(network, self.window(network, 1, ROWS), batches)

    def given(self, model, label: str):
        """The language model of the lines with a label, which reads the same column of texts. Raises UsageError for an
        unknown label."""
        if label not in self.labels:
            raise UsageError(f"the model does not know the label {label!r}; it knows {', '.join(self.labels)}")
        size = len(model.vocabulary)
        architecture = replace(model.architecture, vocabulary_size=size, outputs=None)
        input_weights = "E" if architecture.embedding else "layer1.W_x"
        named = model.named_parameters
        weights = named[input_weights]
        blocks = weights.reshape(-1, size + len(self.labels), weights.shape[1])  # several for a feed-forward network
        table = blocks[:, :size].copy()
        table[:, EOS] = blocks[:, size + self.labels.index(label)]
        parameters = np.concatenate([values.ravel() for values in (named | {input_weights: table}).values()])
        return replace(model, architecture=architecture, parameters=parameters, task=LanguageModel(self.columns))

    def nats(self, window, vocabulary, texts: list[str]) -> np.ndarray:
        """-log ŷ of each text and its end given each label, (texts, labels)."""
        sequences, number = encode_with_end(vocabulary, texts), len(self.labels)
        found = np.empty((len(texts), number))
        lengths = np.repeat(sequences.lengths, number)
        for pairs in by_length(lengths, tokens_for(len(vocabulary))):
            chosen, labels = np.divmod(pairs, number)
            batch = self.batch(vocabulary, sequences, chosen, labels)
            found[chosen, labels] = window.forward(batch)[0].sum(0, dtype=np.float64)
        return found

    def probabilities(self, window, vocabulary, texts):
        """The probability of each label given each text, (texts, labels), by Bayes' rule; before the text is known, all
        labels are equally likely."""
        return softmax(-self.nats(window, vocabulary, texts).reshape(-1, len(self.labels)))

    def evaluate(self, window, vocabulary, lines) -> "GenerationResult":
        """Measure the loss of lines given their labels, and how often their label is the most likely one."""
        labels, texts = self.labelled_texts(lines)
        numbers, own, best = label_numbers(labels, self.labels, ""), [], []
        for group in self.text_groups(texts):
            nats, its = self.nats(window, vocabulary, group), numbers[len(best) : len(best) + len(group)]
            own += nats[np.arange(len(group)), its].tolist()
            best += (nats.argmin(1) == its).tolist()
        return GenerationResult(
            labels=self.labels,
            numbers=numbers,
            nats=np.array(own),
            best=np.array(best),
            tokens=encode_with_end(vocabulary, texts).lengths,
        )


def _novelty(train: list[tuple[str, str]], held_out: list[tuple[str, str]], in_bytes: bool) -> Novelty:
    """The record of the texts of examples (label, text)."""
    points = (lambda text: np.frombuffer(as_bytes(text), np.uint8)) if in_bytes else code_points

    def texts_of(examples):
        return lambda: (points(text + "\n") for _, text in examples)

    return Novelty.of_text(texts_of(train), in_bytes, True, held_out=texts_of(held_out) if held_out else None)


@dataclass(frozen=True)
class GenerationResult:
    """The loss of lines given their labels. Arrays (lines): numbers, the index of the label of each line; nats, its
    loss given that label; best, whether that label is its most likely one; tokens, their number, its end included."""

    labels: tuple[str, ...]
    numbers: np.ndarray
    nats: np.ndarray
    best: np.ndarray
    tokens: np.ndarray

    def figures(self, chosen: np.ndarray) -> dict:
        """The figures of some lines. chosen: bool (lines)."""
        tokens, nats = int(self.tokens[chosen].sum()), float(self.nats[chosen].sum())
        return {
            "lines": int(chosen.sum()),
            "tokens": tokens,
            "nats_per_token": nats / tokens,
            "perplexity": exp(nats / tokens),
            "accuracy": float(self.best[chosen].mean()),
        }

    def as_dict(self) -> dict:
        by_label = {self.labels[number]: self.figures(self.numbers == number) for number in np.unique(self.numbers)}
        return self.figures(self.numbers >= 0) | {"labels": by_label}

    def lines(self, width: int | None = None) -> list[str]:
        """A table for people: one row for all lines, and one per label. width: of the terminal, None for a pipe."""
        rows = {"all": self.figures(self.numbers >= 0)} | self.as_dict()["labels"]
        longest = max(map(len, rows))
        head = ("label", "lines", "tokens", "nats/token", "perplexity", "accuracy of the label")
        cells = [
            (
                label,
                f"{row['lines']:,}",
                f"{row['tokens']:,}",
                f"{row['nats_per_token']:.4f}",
                f"{row['perplexity']:.3f}",
                f"{100 * row['accuracy']:.1f} %",
            )
            for label, row in rows.items()
        ]
        table = [f"{'label':<{longest}}   lines   tokens   nats/token   perplexity   accuracy of the label"]
        for label, lines, tokens, nats, perplexity, accuracy in cells:
            table.append(f"{label:<{longest}}  {lines:>6}  {tokens:>7}  {nats:>11}  {perplexity:>11}   {accuracy:>21}")
        return table if fits(table, width) else stacked(head, cells, width)


TASK = Generate
