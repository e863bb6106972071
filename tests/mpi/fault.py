"""charlm, with a fault in one of the ranks: fault.py KIND RANK UPDATE ARGUMENTS…

KIND happens on rank RANK when it is about to make its update number UPDATE: error, memory, hang, kill. "elsewhere":
this rank runs in the folder "elsewhere" from the beginning. "full": no file can grow beyond UPDATE bytes.
"""

import os
import resource
import signal
import sys
import time

from charlm.cli import program
from charlm.learning.strategy import InStep
from charlm.ranks import announced, job

kind, rank, update, *arguments = sys.argv[1:]
if int(rank) == announced()[0]:
    make, made = InStep.make, [0]

    def make_or_fail(self, updates):
        made[0] += 1
        if made[0] == int(update):
            if kind == "error":
                raise ValueError("a fault")
            if kind == "memory":
                raise MemoryError
            if kind == "hang":
                time.sleep(600)
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        return make(self, updates)

    if kind == "elsewhere":
        os.chdir("elsewhere")
    elif kind == "full":
        job()  # MPI writes files of its own when it begins
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(update), int(update)))
    else:
        InStep.make = make_or_fail
program(arguments, prog_name="charlm")
