"""The registry of cells: everything that the rest of charlm must know about a cell, in one place.

This module imports neither NumPy nor numba, so ``charlm train --help`` can list the cells at once.
"""

from ..errors import UsageError


class Cell:  # a dataclass or a named tuple would take a millisecond of the start of every command
    """A kind of layer.

    gates: the columns of z, each of width H, in their order and with their names in the code (``kernels/__init__.py``).
    The bias of a forget gate, f, starts at 1. The product with x fills the first ``input_columns`` columns, and the
    product with the state before fills the last ``recurrent_columns`` columns.
    has_c: whether the cell carries a state c, (N, H), besides a.
    peepholes: the rows of p, (peepholes, H), the weights with which gates see c; 0 for a cell without peepholes or c.
    context: how many tokens the network sees, if nobody chooses; None for a cell that carries a state.

    kernels: the module that holds the functions ``<name>_forward``, ``<name>_backward`` and, for a cell with peepholes,
    ``<name>_gradient`` (the gradient of p). It is a name, because importing the kernels imports the compiler.

    learning_rate, layers: what a training by the clock takes, if nobody chooses (benchmarks/recipe.md). recurrent_rate:
    in such a training of a text, W_a learns at so many times the learning rate.
    """

    def __init__(
        self,
        *,
        gates: str,
        input_columns: int,
        recurrent_columns: int,
        kernels: str,
        learning_rate: float,
        recurrent_rate: float = 1.0,
        has_c: bool = False,
        peepholes: int = 0,
        context: int | None = None,
        layers: int = 1,
    ):
        self.gates, self.input_columns, self.recurrent_columns = gates, input_columns, recurrent_columns
        self.kernels, self.has_c = kernels, has_c
        self.learning_rate, self.recurrent_rate = learning_rate, recurrent_rate
        self.peepholes, self.context, self.layers = peepholes, context, layers

    @property
    def columns(self) -> int:
        """How many columns of width H z has."""
        return len(self.gates.split())


CELLS = {
    "rnn": Cell(gates="a", input_columns=1, recurrent_columns=1, kernels="charlm.kernels.rnn", learning_rate=0.008),
    "gru": Cell(
        gates="g u r q", input_columns=3, recurrent_columns=3, kernels="charlm.kernels.gru", learning_rate=0.012
    ),
    "lstm": Cell(
        gates="u f o g",
        input_columns=4,
        recurrent_columns=4,
        has_c=True,
        kernels="charlm.kernels.lstm",
        learning_rate=0.024,
        recurrent_rate=0.5,
    ),
    "peephole": Cell(
        gates="u f o g",
        input_columns=4,
        recurrent_columns=4,
        has_c=True,
        peepholes=3,
        kernels="charlm.kernels.lstm",
        learning_rate=0.024,
        recurrent_rate=0.5,
    ),
    "feedforward": Cell(
        gates="a",
        input_columns=1,
        recurrent_columns=0,
        context=8,
        kernels="charlm.kernels.feedforward",
        learning_rate=0.012,
        layers=2,  # the first one only adds up one row of weights per position
    ),
}
OLD_NAMES = {"window": "feedforward"}  # files and commands may still say these


def current_name(name: str) -> str:
    """The name that a cell has today; an old name gives the current one. Raises UsageError where there is no such
    cell."""
    name = OLD_NAMES.get(name, name)
    if name not in CELLS:
        raise UsageError(f"there is no cell {name!r}; choose one of {', '.join(CELLS)}")
    return name
