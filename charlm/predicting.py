"""Model + examples → what it predicts for them, as they come, and how often it is right."""

from collections.abc import Iterator

from .errors import UsageError
from .model import Model
from .scoring.blocks import as_they_come, blocks
from .tasks import MODULES
from .tasks.examples import ROWS, lines_in, lines_of
from .text.reading import listed, read_text


class Predictor:
    """A model ready to predict; this imports the compiler. Raises UsageError for a model of another task."""

    def __init__(self, model: Model, threads: int | None = None):
        from .network.threads import ThreadPool

        model.check_task(*(name for name in MODULES if name != "text"))
        self.task, self.vocabulary = model.task, model.vocabulary
        network = self.task.network(model.architecture, model.parameters, ThreadPool(threads))
        network.pack(for_training=False)
        self.window = self.task.window(network, 1, ROWS)

    def predict(self, items: list, **options) -> list[dict]:
        """What the model makes of each item, which the task tells of. options: see ``charlm predict``."""
        self._check(options)
        return self.task.predict(self.window, self.vocabulary, items, **options)

    def _check(self, options):
        for name in options:
            if name not in self.task.options:
                raise UsageError(f"--{name} does not go with a model of --task {self.task.name}")

    def rows(self, paths, encoding: str = "utf-8", **options) -> Iterator[list[tuple]]:
        """(item, prediction) for each item of some files, in order and as they are ready, many at a time."""
        rest = []
        for block in blocks(as_they_come(read_text(listed(paths), self.vocabulary.level, encoding)), True):
            items, rest = self.task.items(rest + lines_in(block))
            yield list(zip(items, self.predict(items, **options), strict=True))
        items, _ = self.task.items(rest, last=True)
        yield list(zip(items, self.predict(items, **options), strict=True))

    def evaluate(self, paths, encoding: str = "utf-8", **options):
        """How good the predictions for some files with answers are: an object with ``as_dict()`` and ``lines()``."""
        lines = lines_of(listed(paths), self.vocabulary.level, encoding)
        self._check(options)
        return self.task.evaluate(self.window, self.vocabulary, lines, **options)
