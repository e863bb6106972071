"""What a network and its parts must offer: the methods that training, tasks and scoring call, and those that a stack
calls.

Every object with these methods will do; none has to inherit from these classes.

    training   calls Network.pack, Window.train, Optimizer.update       for each update
    tasks      make the Network and its Window
    a stack    calls its Layers and its Head, from threads, for some rows or columns each

``kernels/__init__.py`` explains the letters T, N, D, H, V, P and ``d``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:  # these import the compiler
    from .architecture import Architecture
    from .dropout import Dropout
    from .products import SortedTokens
    from .sampled_softmax import OutputSample
    from .threads import ThreadPool

Parts = list[Callable[[], None]]  # work that threads may do in any order, at the same time


class Network(Protocol):
    """Parameters and their gradient. ``stack.Stack``, ``translator.Translator`` and ``tagger.Tagger`` are networks.

    parameters: (P) float32, or float64 for checks, as ``architecture`` describes them. The caller owns them, and an
    optimizer changes them in place. gradient: (P), set by ``Window.train``. pool: the threads that share the work of an
    update. shards: see ``shard``; 1 at first.
    """

    architecture: Architecture
    parameters: np.ndarray
    gradient: np.ndarray
    pool: ThreadPool
    shards: int

    def pack(self, *, for_training: bool, precision: str = "float32") -> None:
        """Copy the weights into the order in which the kernels read them. The caller calls this after every change of
        the parameters, and before the window runs.

        for_training: also for the backward pass. precision: in which matrices are multiplied from now on: "float32",
        meaning the type of the parameters, or "bf16".
        """

    def freeze(self, layers: int) -> None:
        """From now on, leave out the gradients of the parameters that ``architecture.frozen_parameters`` names for so
        many layers: they are 0. Called before any gradient is computed."""

    def shard(self, shards: int) -> None:
        """From now on, so many shards share the rows of a batch, and the gradient is the sum of theirs along a tree
        (see ``sharding``). Row n of a batch belongs to shard n mod ``shards``. Called before any window is made."""

    def sample(self, outputs: OutputSample | None) -> None:
        """From the next packing for training on, the softmax and its gradient are those of a sample of the outputs;
        None for all of them. Only language models are asked for it."""


class Window(Protocol):
    """The arrays that a network fills for one batch, and the state that it carries to the next batch: what training
    needs of ``stack.StackWindow`` and of every ``SequenceWindow``. (Scoring reads with a stack's window by the methods
    of ``measuring.Engine``.)

    state: arrays (N, width), in a fixed order; a checkpoint stores them. Networks of whole sequences carry nothing: ().
    """

    @property
    def state(self) -> list[np.ndarray] | tuple[()]: ...

    def train(self, batch: Any, scale: float, drop: Dropout | None) -> np.ndarray:
        """Forward and backward over one batch: -log ŷ of every target, (T, N), 0 where there is no target. Sets
        ``Network.gradient`` to the gradient of scale · their sum. A batch that is ``fresh`` starts from the zero state.
        """

    def losses(self, batch: Any) -> np.ndarray:
        """The same, forward only: -log ŷ of every target, (T, N), 0 where there is no target."""


class SequenceWindow(Window, Protocol):
    """A window for whole sequences, each from the zero state: ``sequences.Windows``, ``translator.TranslatorWindows``
    and ``tagger.TaggerWindows``."""

    def forward(self, batch: Any) -> tuple[np.ndarray, np.ndarray]:
        """Forward only: -log ŷ of every target (T, N), 0 where there is no target, and all probabilities (T, N, V).
        Both are views that the next batch overwrites."""


class Head(Protocol):
    """What stands on top of a stack: outputs, loss, and their gradients. ``head.SoftmaxHead`` is one.

    The stack calls ``forward`` and ``backward`` from several threads, each for its own rows [start, stop).

    both_ways: in bf16, ``forward`` and ``backward`` at once: a function of ((a, da), targets, outputs, nats, d_outputs,
    scale, start, stop). It takes as many steps at a time as ``outputs`` has, and the gradient with respect to the
    outputs goes into d_outputs (T, N, ≥ V), in bf16. None where training calls ``forward`` and then ``backward``.
    """

    @property
    def both_ways(self) -> Callable[..., None] | None: ...

    def packing(self, pool: ThreadPool, for_training: bool, precision: str) -> Parts:
        """The work of ``Network.pack`` for the weights of the head."""

    def forward(
        self, a: np.ndarray, targets: np.ndarray, outputs: np.ndarray, nats: np.ndarray, start: int, stop: int
    ) -> None:
        """From the states a (T, N, ≥ H), which may be bf16, to outputs (T, N, ≥ V) and the loss nats (T, N), 0 where
        targets (T, N) is -1."""

    def backward(
        self,
        outputs: np.ndarray,
        targets: np.ndarray,
        da: np.ndarray,
        scale: float,
        start: int,
        stop: int,
    ) -> None:
        """Turn the outputs (T, N, ≥ V) into the gradient of scale · loss with respect to them, before any activation,
        and write the gradient with respect to a into da (T, N, H)."""

    def gradients(
        self, pool: ThreadPool, a: np.ndarray, d_outputs: np.ndarray, shards: int, tokens: SortedTokens | None
    ) -> Parts:
        """The gradients of the head's own parameters, from a and from what ``backward`` made.

        shards: how many share the rows (see ``Network.shard``). tokens: where there are several and the weights are
        tied to the embedding, what the layers add to its gradient.
        """


class Layer(Protocol):
    """A layer of a stack. ``layers.Recurrent``, ``bidirectional.Bidirectional`` and ``feedforward.FeedForward`` are
    layers. The stack calls ``forward`` and ``backward`` from several threads, each for its own rows [start, stop)."""

    def new_arrays(self, steps: int, rows: int, training: bool, below: Any = None) -> Any:
        """An object that holds the layer's arrays for windows of up to T ``steps`` and N ``rows``. It has ``out`` and
        ``da``, (T, N, H), ``states``, ``d_start`` and ``first_steps``; see ``layers.LayerArrays``.

        below: the arrays of the layer below. Both layers may use the same memory for arrays that only one of them needs
        at a time.
        """

    def packing(self, pool: ThreadPool, for_training: bool, precision: str) -> Parts:
        """The work of ``Network.pack`` for the weights of the layer."""

    def forward(
        self, tokens: np.ndarray, x: np.ndarray, arrays: Any, drop: Dropout | None, start: int, stop: int
    ) -> None:
        """From x (T, N, ≥ D), or from the tokens (T, N) of one-hot input, to ``arrays.out``."""

    def operand(self, arrays: Any) -> np.ndarray:
        """``arrays.out`` as products read it, (T, N, ≥ H): the same, or rounded to bf16 (``kernels.bfloat16``)."""

    def backward(self, arrays: Any, dx: np.ndarray, start: int, stop: int) -> None:
        """From ``arrays.da`` to the gradient with respect to z, which replaces z in ``arrays``. For dense input it also
        writes the gradient with respect to x into dx (T, N, D), unless dx is None: nothing below learns. dx may share
        its memory with ``arrays.da``."""

    def gradients(self, pool: ThreadPool, tokens: np.ndarray, x: np.ndarray, arrays: Any, shards: int) -> Parts:
        """The gradients of the layer's own parameters, from what ``backward`` left in ``arrays``. shards: how many
        share the rows (see ``Network.shard``)."""


class Optimizer(Protocol):
    """What changes the parameters. ``optimizers.Adam`` is one.

    updates: how many updates it has made; a training that is resumed sets it.
    """

    updates: int

    def state(self) -> dict[str, np.ndarray]:
        """The arrays (P) that the next update depends on, by name, and no copies: a checkpoint stores them, and a
        training that is resumed or rolled back writes into them."""

    def update(self, rate: float) -> float:
        """Change the parameters of its network by the gradient, with this learning rate. Returns the norm of the
        gradient. An infinite or NaN norm changes nothing."""
