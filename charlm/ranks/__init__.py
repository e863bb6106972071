"""The processes of an MPI job, called ranks, and what they tell each other. The only part that knows MPI.

    ranks = job()                       one process: a Ranks that does nothing; under mpirun or srun: a Job
    ranks.agree(value)                  the value of rank 0, on every rank
    ranks.any(flag)                     whether the flag is set on any rank
    ranks.gather(value)                 the values of all ranks, on every rank; ``collect`` has them on rank 0 only
    ranks.sum_tree(array)               the sum over the ranks, in place, of the same bits whatever their number
    ranks.post(value, rank)             a value for one rank, sent while both go on; there ``ranks.take(rank)`` has it

All ranks call these functions in the same order, but for ``post`` and ``take``.

    alone   one process, and what each function does
    mpi     several: imported, with mpi4py, only where a launcher announces them, because elsewhere the import of mpi4py
            can end the process
"""

import os
from functools import lru_cache
from typing import Any

from ..errors import UsageError
from .alone import ALONE as ALONE
from .alone import PATIENCE as PATIENCE
from .alone import Ranks as Ranks

# What launchers put into the environment of each process: Open MPI, MVAPICH, and MPICH, Intel MPI and srun --mpi=pmi2.
# Under srun --mpi=pmix there is PMIX_RANK, and Slurm tells the number.
NUMBER = ("OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "PMI_SIZE")
RANK = ("OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "PMI_RANK")
OF_SLURM = "SLURM_STEP_NUM_TASKS"


def announced() -> tuple[int, int]:
    """(rank, number of ranks) as the launcher of this process announces them; (0, 1) where there is none."""
    names = [*zip(RANK, NUMBER, strict=True), ("PMIX_RANK", OF_SLURM)]  # the last one does not hold below mpirun
    found = (pair for pair in names if set(pair) <= os.environ.keys())
    rank, number = map(_number, next(found, (None, None)))
    return (rank, number) if rank < number else (0, 1)


def _number(name: str | None) -> int:
    text = os.environ[name] if name else ""
    return int(text) if text.isascii() and text.isdigit() else 0


def processors() -> tuple[int, ...]:
    """The processors that this process may use, by number."""
    try:
        return tuple(sorted(os.sched_getaffinity(0)))
    except AttributeError:  # not on Linux
        return tuple(range(os.cpu_count() or 1))


def check_input() -> None:
    """Raise UsageError where several processes were started: neither Open MPI's mpirun nor MPICH's passes a longer
    standard input on completely, and to its end."""
    if announced()[1] > 1:
        raise UsageError("standard input does not reach the processes of an MPI job completely: name a file")


@lru_cache
def job() -> Ranks:
    """The ranks of the job that this process belongs to; one process on its own where none is announced.

    Raises UsageError where mpi4py is missing, or belongs to another MPI than the launcher.
    """
    _, number = announced()
    if number == 1:
        return ALONE
    try:
        from mpi4py import MPI

        from .mpi import Job
    except (ImportError, RuntimeError) as error:
        missing = isinstance(error, ModuleNotFoundError)
        why = "mpi4py, which is not installed" if missing else f"an MPI library, which mpi4py does not find ({error})"
        raise UsageError(
            f"{number} processes were started to work together, and that takes {why}: pip install 'charlm[mpi]', "
            "with the MPI whose mpirun or srun starts them"
        ) from None
    world = MPI.COMM_WORLD
    if world.size != number:
        raise UsageError(
            f"{number} processes were started, but the MPI of mpi4py finds {world.size} ({_name_of(MPI)}): install "
            "mpi4py for the MPI whose mpirun or srun starts them"
        )
    return Job(
        world.Dup(), world.Dup(), any_rank=MPI.ANY_SOURCE, machine=MPI.Get_processor_name(), processors=processors()
    )


def _name_of(mpi: Any) -> str:
    name, version = mpi.get_vendor()
    return f"{name} {'.'.join(map(str, version))}"
