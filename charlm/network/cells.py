"""The registry of cells: everything that the rest of charlm must know about a cell, in one place.

This module imports neither NumPy nor numba, so ``charlm train --help`` can list the cells at once.
"""

import warnings
from dataclasses import dataclass

from ..errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A kind of layer.

    gates: the columns of z, each of width H, in their order. The product with x fills the first ``input`` columns, and
    the product with the state before fills the last ``recurrent`` columns. peepholes: the rows of p, (peepholes, H).
    context: how many tokens the network sees, if nobody chooses; None for a cell that carries a state.

    kernels: the module that holds the functions ``<name>_forward`` and ``<name>_backward``. It is a name, because
    importing the kernels imports the compiler.

    learning_rate, layers: what a training by the clock takes, if nobody chooses (benchmarks/recipe.md).
    """

    gates: str
    input: int
    recurrent: int
    kernels: str
    learning_rate: float
    peepholes: int = 0
    context: int | None = None
    layers: int = 1

    @property
    def columns(self) -> int:
        """How many columns of width H z has."""
        return len(self.gates.split())

    @property
    def has_c(self) -> bool:
        """Whether the cell has a state c besides a, with a forget gate in front of it."""
        return "f" in self.gates.split()


CELLS = {
    "rnn": Cell(gates="a", input=1, recurrent=1, kernels="charlm.kernels.rnn", learning_rate=0.008),
    "gru": Cell(gates="c u r q", input=3, recurrent=3, kernels="charlm.kernels.gru", learning_rate=0.012),
    "lstm": Cell(gates="u f o c", input=4, recurrent=4, kernels="charlm.kernels.lstm", learning_rate=0.024),
    "peephole": Cell(
        gates="u f o c", input=4, recurrent=4, peepholes=3, kernels="charlm.kernels.lstm", learning_rate=0.024
    ),
    # two layers: the first one only adds up one row of weights per place
    "feedforward": Cell(
        gates="a", input=1, recurrent=0, context=8, layers=2, kernels="charlm.kernels.feedforward", learning_rate=0.012
    ),
}
OLD_NAMES = {"window": "feedforward"}  # files and commands may still say these


def current_name(name: str, warn: bool = False) -> str:
    """The name that a cell has today. An old name gives the current one; with ``warn`` it also gives a
    DeprecationWarning. Raises UsageError where there is no such cell."""
    if name in OLD_NAMES:
        if warn:
            message = f"the cell {name!r} is now called {OLD_NAMES[name]!r}: give that name instead"
            warnings.warn(message, DeprecationWarning, stacklevel=3)
        name = OLD_NAMES[name]
    if name not in CELLS:
        raise UsageError(f"there is no cell {name!r}; choose one of {', '.join(CELLS)}")
    return name
