"""A process on its own, with all that the ranks of a job offer (see ``mpi``)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    import numpy as np

PATIENCE = 300.0  # seconds


class Ranks:
    """One process on its own.

    number: how many ranks there are. rank: which of them this is. is_first_here: whether it is the first one of its
    machine. sharing: how many of them, this one included, run on the same processors of one machine. patience: seconds
    after which a rank that does not answer is given up.
    """

    number, rank, sharing, is_first_here = 1, 0, 1, True
    patience = PATIENCE

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes the files and speaks to the user."""
        return self.rank == 0

    def part_of(self, shards: int) -> tuple[int, int]:
        """(first, number) of the shards of this rank, if all ranks share so many equally. Raises UsageError where they
        cannot."""
        if shards % self.number or self.number & (self.number - 1):
            raise UsageError(
                f"{self.number} ranks cannot share {shards} shards equally: start 2, 4, 8, … ranks, and for more than "
                f"{shards} give as many --shards"
            )
        count = shards // self.number
        return self.rank * count, count

    def agree(self, value: Any) -> Any:
        """The value of rank 0, on every rank; the values of the others count for nothing."""
        return value

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        return bool(flag)

    def collect(self, value: Any) -> list:
        """The values of all ranks in their order, on rank 0; [] on the others."""
        return [value]

    def gather(self, value: Any) -> list:
        """The values of all ranks in their order, on every rank."""
        return [value]

    def sum_tree(self, array: "np.ndarray") -> None:
        """Replace a contiguous array, of the same shape on all ranks, by its sum over the ranks, along a fixed tree of
        pairs: ((0+1)+(2+3))+((4+5)+(6+7)). The number of ranks must be a power of two."""

    def meet(self) -> None:
        """Wait for all ranks, however long one of them works."""

    def tell(self, error: "BaseException | str", code: int = 1) -> None:
        """Tell the other ranks that this one ends with an error, so that they end too. code: its exit code. An empty
        text stands for an end without a word, as after Ctrl-C."""

    def leave(self, say: Callable[[str], None]) -> int:
        """After ``tell``: wait for the others, let one rank say why the job ends, and return the exit code. Where a
        rank does not end by itself, this call ends the whole job and does not return."""
        return 1


ALONE = Ranks()
