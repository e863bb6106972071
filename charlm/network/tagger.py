"""A network over the words of sentences, each of which a small one reads character by character (Ling et al., 2015;
Lample et al., 2016), so that one that was never seen has a vector too.

    e = what the reader's two runs give once they have read the whole word, and the word's row of E, side by side, (W,
        S), for each distinct word
    a sentence is a sequence of rows of e, which thereby is what an embedding is to another network
"""

import numpy as np

from ..kernels.gather import scatter_add
from ..text.batches import WordBatch
from .architecture import Tagging
from .layers import Dropout
from .sequences import Windows, widened
from .stack import Stack
from .threads import ThreadPool


class Tagger:
    """The two stacks; ``parameters`` and ``gradient`` are flat vectors of both, (P)."""

    def __init__(self, architecture: Tagging, parameters: np.ndarray, pool: ThreadPool):
        self.architecture, self.parameters, self.pool = architecture, parameters, pool
        self.gradient = np.zeros_like(parameters)
        first = architecture.reader.number_of_parameters
        last = parameters.size - architecture.sentence.number_of_parameters
        parts = [np.split(vector, [first, last]) for vector in (parameters, self.gradient)]
        (reader, words, sentence), (d_reader, d_words, d_sentence) = parts
        self.E, self.dE = (vector.reshape(architecture.words_size, -1) for vector in (words, d_words))
        self.reader = Stack(architecture.reader, reader, pool, at_end=True, gradient=d_reader)
        self.sentence = Stack(architecture.sentence, sentence, pool, gradient=d_sentence, of_vectors=True)

    def pack(self, for_training: bool, precision: str = "float32") -> None:
        """Bring the weights into the kernels' order, as ``Stack.pack``."""
        self.reader.pack(for_training, precision)
        self.sentence.pack(for_training, precision)


class TaggerWindows:
    """The arrays of a tagger for whole sentences. rows: the most that stand side by side."""

    state = ()

    def __init__(self, network: Tagger, rows: int, training: bool = False):
        self.network = network
        self.words = Windows(network.reader, 1, training)
        self.sentences = Windows(network.sentence, rows, training)

    def _read(self, batch, drop=None):
        """Put the vectors of a batch's words where its sentences look for them; the way back."""
        rows = 1 << (len(batch.word_lengths) - 1).bit_length()  # one of few sizes
        words, lengths = widened(batch.words, rows, 0), widened(batch.word_lengths, rows, 0)
        vectors, back = self.words.summaries(words, lengths, drop)
        network, known = self.network, widened(batch.known, rows, 0)
        table = np.concatenate((vectors, network.E[known]), axis=1)
        network.sentence.E, network.sentence.dE = table, np.zeros_like(table)

        def both_back():
            read, embedded = np.split(network.sentence.dE, [vectors.shape[1]], axis=1)
            back(read)
            network.dE[:] = 0
            scatter_add(known, np.ascontiguousarray(embedded), network.dE, 0, network.dE.shape[1])

        return both_back

    def forward(self, batch: WordBatch) -> tuple[np.ndarray, np.ndarray]:
        """-log ŷ of every target (T, N), and all probabilities (T, N, tags): views that the next batch overwrites."""
        self._read(batch)
        return self.sentences.forward(batch)

    def train(self, batch: WordBatch, scale: float, drop: Dropout | None) -> np.ndarray:
        """-log ŷ of every target (T, N), and the gradient of scale · their sum."""
        back = self._read(batch, drop)
        nats = self.sentences.train(batch, scale, drop and drop.another())
        back()
        return nats
