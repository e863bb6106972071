"""Peak memory of a training: charlm's process against PyTorch's, each from start to end.

    python benchmarks/memory.py [--rounds 3] [--only NAME] [--corpus 1000] [--json FILE]

Both read a text of 1 MB, train UPDATES windows in float32, score the held-out tenth and write the model to a file. The
figure is the peak of the resident memory of the process, libraries included. PyTorch runs with one-hot input and with
an embedding, and the lower peak counts. The last row is charlm alone on a large text: its peak minus the size of the
text at one byte per character.
"""

import sys
import tempfile
from pathlib import Path

from interleaved import Contender, medians, ratio, run_interleaved
from report import Figure, need_pytorch, run_alone, wanted
from training import WORKLOADS
from workloads import Workload, write_text

TITLE = "Memory"
COLUMNS = ("workload", "charlm, MB", "PyTorch, MB", "ratio", "over the text, MB")
FRACTION, OVER_CORPUS = 0.5, 400.0  # targets: at most this fraction, at most this many MB
COMPARED = list(WORKLOADS)[:4]
UPDATES = 20
MB = 1_000_000


def peak() -> int:
    """Peak of the resident memory of this process, in bytes."""
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except OSError:  # not Linux
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most


def charlm_peak(text_path, workload, threads, folder):
    """Train, score, save. Returns the peak."""
    from charlm.learning.autotune import new_trainer

    size = text_path.stat().st_size * 0.9
    trainer = new_trainer(
        text_path,
        cell=workload.cell,
        hidden=workload.hidden,
        layers=workload.layers,
        batch=workload.rows,
        steps=workload.steps,
        epochs=UPDATES * workload.tokens / size,
        threads=threads,
    )
    for _ in trainer.run():
        pass
    trainer.best.save(Path(folder) / "model.npz")
    return peak()


def pytorch_peak(text_path, workload, threads, folder, one_hot):
    """The same in PyTorch, lean but plain: ids of one byte, batches made when they are needed."""
    import numpy as np
    import torch
    from baselines import Network, updater

    torch.set_num_threads(threads)
    ids = np.unique(np.fromfile(text_path, np.uint8), return_inverse=True)[1].astype(np.uint8)
    cut = len(ids) * 9 // 10
    network = Network(workload, one_hot)
    update, state = updater(network, half=False), None

    def windows(ids):
        streams = torch.from_numpy(ids[: len(ids) // workload.rows * workload.rows].reshape(workload.rows, -1).T)
        for start in range(0, len(streams) - workload.steps - 1, workload.steps):
            window = streams[start : start + workload.steps + 1].long()
            yield window[:-1], window[1:]

    for number, (inputs, targets) in enumerate(windows(ids[:cut])):
        if number == UPDATES:
            break
        _, state = update(inputs, targets, state)
        state = detached(state)
    state, total = None, 0.0
    with torch.inference_mode():
        for inputs, targets in windows(ids[cut:]):
            logits, state = network(inputs, state)
            total += torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    torch.save(network.state_dict(), Path(folder) / "model.pt")
    return peak()


def detached(state):
    return tuple(array.detach() for array in state) if isinstance(state, tuple) else state.detach()


def once(function, **arguments):
    """The measuring function of a ``Life``: it calls ``function(**arguments)``."""
    return lambda: function(**arguments)


class Life:
    """A contender that starts a new process for each measurement, because the peak is the peak of a whole life.

    function, arguments: the process calls ``function(**arguments)`` and ends.
    """

    def __init__(self, function, **arguments):
        self.function, self.arguments = function, arguments

    def measure(self):
        contender = Contender(once, function=self.function, **self.arguments)
        try:
            return contender.measure()
        finally:
            contender.close()

    def close(self):
        pass


def compare(name, text_path, rounds, options):
    shared = {
        "text_path": text_path,
        "workload": WORKLOADS[name][0],
        "threads": options.threads,
        "folder": text_path.parent,
    }
    contenders = {"charlm": Life(charlm_peak, **shared)}
    for label, one_hot in (("one-hot", True), ("embedding", False)):
        contenders[label] = Life(pytorch_peak, **shared, one_hot=one_hot)
    contenders["charlm"].measure()  # the first training with a cell compiles its kernels
    measured = run_interleaved(contenders, rounds, warm_up=0)
    middle = medians(measured)
    least = min(("one-hot", "embedding"), key=middle.get)
    return {
        "name": name,
        "charlm": middle["charlm"] / MB,
        "PyTorch": middle[least] / MB,
        "best": least,
        "ratio": Figure(ratio(measured["charlm"], measured[least]), FRACTION, at_most=True),
    }


def large(name, size, folder, options):
    text_path = write_text(folder / "large.txt", size)
    workload = Workload("lstm", 2, 128, 50, 50)
    life = Life(charlm_peak, text_path=text_path, workload=workload, threads=options.threads, folder=folder)
    most = life.measure()
    text_path.unlink()
    return {"name": name, "charlm": most / MB, "over": Figure((most - size) / MB, OVER_CORPUS, at_most=True)}


def rows(options):
    rounds, size = (1, 10) if options.quick else (min(options.rounds, 3), options.corpus)
    corpus = f"LSTM 2×128 on a text of {size:,} MB"
    names = wanted([*COMPARED, corpus], options)
    if names != [corpus]:
        need_pytorch()
    with tempfile.TemporaryDirectory() as folder:
        text_path = write_text(Path(folder) / "text.txt", MB)
        for name in names:
            if name == corpus:
                yield large(name, size * MB, Path(folder), options)
            else:
                yield compare(name, text_path, rounds, options)


def cells(row):
    baseline = f"{row['PyTorch']:.0f} ({row['best']})" if "PyTorch" in row else "–"
    return row["name"], f"{row['charlm']:.0f}", baseline, row.get("ratio", "–"), row.get("over", "–")


def add_options(parser):
    pass


if __name__ == "__main__":
    run_alone(sys.modules[__name__])
