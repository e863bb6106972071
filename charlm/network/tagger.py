"""A network over the words of sentences. A small network reads each word character by character (Ling et al., 2015;
Lample et al., 2016), so that a word that was never seen has a vector too.

    e, (W, S): for each distinct word, the reader's two outputs after the whole word and the word's row of E, in one row
    a sentence is a sequence of rows of e, as the input of another network is a sequence of rows of its embedding
"""

import numpy as np

from ..kernels.gather import scatter_add
from ..text.batches import WordBatch
from .architecture import Tagging
from .dropout import Dropout
from .products import SortedTokens
from .sequences import Windows, pad_rows
from .stack import Stack
from .threads import ThreadPool


class Tagger:
    """The two stacks as one network; see ``protocols.Network``."""

    def __init__(self, architecture: Tagging, parameters: np.ndarray, pool: ThreadPool):
        self.architecture, self.parameters, self.pool = architecture, parameters, pool
        self.gradient = np.zeros_like(parameters)
        start = architecture.reader.number_of_parameters
        stop = parameters.size - architecture.sentence.number_of_parameters
        parts = [np.split(vector, [start, stop]) for vector in (parameters, self.gradient)]
        (reader, words, sentence), (d_reader, d_words, d_sentence) = parts
        self.E, self.dE = (vector.reshape(architecture.words_size, -1) for vector in (words, d_words))
        self.reader = Stack(architecture.reader, reader, pool, gradient=d_reader, at_end=True)
        self.sentence = Stack(architecture.sentence, sentence, pool, gradient=d_sentence, vector_input=True)
        self.frozen, self.shards = 0, 1

    def freeze(self, layers: int) -> None:
        """See ``protocols.Network.freeze``. The reader and the embedding of words are the input of the sentences."""
        self.frozen = layers
        self.sentence.freeze(layers)

    def shard(self, shards: int) -> None:
        """See ``protocols.Network.shard``. The distinct words of a batch are rows too: word w belongs to the shard w
        mod ``shards``."""
        self.shards = shards
        self.reader.shard(shards)
        self.sentence.shard(shards)

    def pack(self, *, for_training: bool, precision: str = "float32") -> None:
        """Copy the weights into the order in which the kernels read them; see ``protocols.Network.pack``."""
        self.reader.pack(for_training=for_training, precision=precision)
        self.sentence.pack(for_training=for_training, precision=precision)


class TaggerWindows:
    """The arrays of a tagger for whole sentences; see ``protocols.SequenceWindow``. rows: the most sentences in a
    batch."""

    state = ()

    def __init__(self, network: Tagger, rows: int, training: bool = False):
        self.network = network
        self.words = Windows(network.reader, 1, training)
        self.sentences = Windows(network.sentence, rows, training)

    def _read(self, batch, drop=None):
        """Put the vectors of a batch's words where the sentences look for them. Returns the backward pass."""
        rows = 1 << (len(batch.word_lengths) - 1).bit_length()  # a power of two, so that few sizes of windows are made
        words, lengths = pad_rows(batch.words, rows, 0), pad_rows(batch.word_lengths, rows, 0)
        vectors, reader_backward = self.words.summaries(words, lengths, drop)
        network, known = self.network, pad_rows(batch.known, rows, 0)
        table = np.concatenate((vectors, network.E[known]), axis=1)
        network.sentence.E, network.sentence.dE = table, np.zeros_like(table)

        def backward():
            read, embedded = np.split(network.sentence.dE, [vectors.shape[1]], axis=1)
            reader_backward(read)
            embedded, columns = np.ascontiguousarray(embedded), network.dE.shape[1]
            if network.shards > 1:
                seen = SortedTokens(known[:, None], embedded, network.shards, len(network.dE))
                seen.add_up(network.dE, 0, columns)
            else:
                network.dE[:] = 0
                scatter_add(known, embedded, network.dE, 0, columns)

        return backward

    def forward(self, batch: WordBatch) -> tuple[np.ndarray, np.ndarray]:
        self._read(batch)
        return self.sentences.forward(batch)

    def losses(self, batch: WordBatch) -> np.ndarray:
        return self.forward(batch)[0]

    def train(self, batch: WordBatch, scale: float, drop: Dropout | None) -> np.ndarray:
        backward = self._read(batch, drop)
        nats = self.sentences.train(batch, scale, drop and drop.another())
        if not self.network.frozen:
            backward()
        return nats
