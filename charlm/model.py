"""A model: what training makes, and sampling and scoring use."""

from dataclasses import dataclass, field

import numpy as np

from .errors import DivergedError, UsageError
from .modelfile import read_model, save_model
from .network.architecture import Architecture, views
from .tasks import Task
from .tasks.language import LanguageModel
from .text.novelty import Novelty
from .text.vocabulary import Vocabulary


@dataclass
class Model:
    """A network with its vocabulary.

    parameters: float32 (P), all of them in one vector; lines: each line is a sequence of its own, else the text is
    one stream; training: what it was made from and how (settings, seed, corpus by hash and size, history of losses),
    plain JSON values; novelty: which lines and runs stood in the training text, None where that was not taken down;
    task: what it was trained to do.
    """

    architecture: Architecture
    vocabulary: Vocabulary
    parameters: np.ndarray
    lines: bool
    training: dict = field(default_factory=dict)
    novelty: Novelty | None = None
    task: Task = field(default_factory=LanguageModel)

    def check_task(self, *names: str) -> None:
        """Raise UsageError where it was trained to do something else than one of these tasks."""
        if self.task.name not in names:
            raise UsageError(
                f"this model was trained with --task {self.task.name}: use charlm {self.task.commands} with it"
            )

    @property
    def named_parameters(self) -> dict[str, np.ndarray]:
        """The parameters as views by name; the names and shapes are those of ``Architecture.shapes``."""
        return views(self.architecture, self.parameters)

    def check_finite(self) -> None:
        if not np.isfinite(self.parameters).all():
            raise DivergedError("the model holds numbers that are not finite")

    def given(self, label: str | None) -> "Model":
        """The language model that this is, or, of a model of --task generate, that of a label's lines.

        Raises UsageError for any other.
        """
        if label is None:
            self.check_task("text")
            return self
        if self.task.name != "generate":
            raise UsageError("--given is for a model of --task generate; leave it out")
        return self.task.given(self, label)

    def save(self, path) -> None:
        """Write the model to ``path``, whole or not at all."""
        save_model(self, path)


def load_model(path) -> Model:
    """The model in a file. Raises ModelFileError where there is none that is whole and of a known version."""
    return Model(**read_model(path))
