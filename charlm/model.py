"""The model: the result of training, and the input of sampling, scoring and prediction."""

from dataclasses import dataclass, field, replace

import numpy as np

from .errors import DivergedError, UsageError
from .modelfile import read_model, save_model
from .network.architecture import Architecture, views
from .network.mixture import Mixture
from .options import STORE, STORED, Path, check_file_name
from .tasks import Task
from .tasks.language import LanguageModel
from .tasks.summary import NAMES, facts, number_of
from .text.layout import named_values
from .text.novelty import Novelty
from .text.vocabulary import UNITS, Vocabulary

SHOWN = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}  # cells whose names are abbreviations


@dataclass(kw_only=True, repr=False, eq=False)  # a model equals itself only: == of arrays is an array
class Model:
    """A network with its vocabulary and its task.

    architecture: the kind of the network and its sizes. vocabulary: its symbols. parameters: float32 (P), all in one
    vector. lines: each line is a sequence of its own; otherwise the text is one stream. training: how the model was
    made, as JSON values: settings, corpus (names, SHA-256, sizes) and the history of losses. novelty: the record of the
    training text, which tells copies from new text; None without one. task: what the network was trained to do.
    mixture: the n-grams that predict together with the network, and their weights; None for the network alone. store:
    the type in which a file holds the parameters, "float32" or "float16".
    """

    architecture: Architecture
    vocabulary: Vocabulary
    parameters: np.ndarray
    lines: bool
    training: dict = field(default_factory=dict)
    novelty: Novelty | None = None
    task: Task = field(default_factory=LanguageModel)
    mixture: Mixture | None = None
    store: str = STORED[0]

    def __post_init__(self) -> None:
        if self.novelty:
            self.novelty.inside = self.vocabulary.inside

    def __repr__(self) -> str:
        """One line: <charlm.Model: LSTM 1×256, characters, 66 symbols, held-out loss 1.47>."""
        sizes, level = self.architecture, self.vocabulary.level
        network = f"{'bidirectional ' if sizes.bidirectional else ''}{SHOWN.get(sizes.cell, sizes.cell)}"
        parts = [f"{network} {sizes.layers}×{sizes.hidden}"]
        if self.task.name == "chords":
            parts += [f"sets of {number_of(sizes.channels, 'symbol')}"]
        elif sizes.channels:
            parts += [number_of(len(self.task.channels), "channel")]  # type: ignore[attr-defined]  # of VectorTask
        else:
            parts += [f"{UNITS[level]}s{' in lines' if self.lines else ''}", f"{len(self.vocabulary):,} symbols"]
        if self.task.name != "text":
            parts = [f"task {self.task.name}", *parts]
        loss = self.training.get("valid_loss") if isinstance(self.training, dict) else None
        if isinstance(loss, float):
            parts.append(f"held-out loss {loss:.2f}")
        return f"<charlm.Model: {', '.join(parts)}>"

    def summary(self) -> str:
        """The model in words, as ``charlm info`` shows it: several lines, each with a name and what it is."""
        return "\n".join(named_values(facts(self), NAMES))

    def check_task(self, *names: str) -> None:
        """Raise UsageError if the model was trained for another task than these. names: values of --task."""
        if self.task.name not in names:
            raise UsageError(
                f"this model was trained with --task {self.task.name}: use charlm {self.task.commands} with it"
            )

    def check_reads_text(self, why: str = "") -> None:
        """Raise UsageError if the input of the model is vectors. why: the beginning of the message."""
        if self.task.input != "text":
            raise UsageError(
                f"{why}this model was trained with --input {self.task.input}: use charlm {self.task.commands} with it"
            )

    @property
    def named_parameters(self) -> dict[str, np.ndarray]:
        """The parameters as views by name. ``Architecture.shapes`` gives the names and shapes."""
        return views(self.architecture, self.parameters)

    def check_finite(self) -> None:
        """Raise DivergedError if a parameter is not a finite number."""
        if not np.isfinite(self.parameters).all():
            raise DivergedError("the model has parameters that are not finite numbers: its training diverged")

    def given(self, label: str | None) -> "Model":
        """The language model that this model is, or, for a model of --task generate, that of the lines with a label.

        label: None for a language model. Raises UsageError for a model of another task and for an unknown label.
        """
        if label is None:
            self.check_task("text")
            return self
        if self.task.name != "generate":
            raise UsageError("--given is for a model of --task generate; leave it out")
        return self.task.given(self, label)  # type: ignore[attr-defined]  # of Generate only

    def save(self, path: Path, *, store: str | None = None) -> None:
        """Write the model to a file. If that fails, a file that was there before stays as it was.

        store: the type in which the file holds the parameters, None for the model's own. "float16" rounds them, and
        makes the network's part of the file half as large; what that costs is not measured.

        Raises ModelFileError if the file cannot be written, DivergedError if a parameter is not a finite number.
        """
        check_file_name(path)
        save_model(self if store is None else replace(self, store=STORE.check(store)), path)


def load_model(path: Path) -> Model:
    """Read a model from a file. Of a checkpoint, it is the best model so far; before the first evaluation, the latest.

    Raises ModelFileError if the file is not a model, is damaged, or is of a later format than this charlm knows.
    """
    check_file_name(path)
    return Model(**read_model(path))
