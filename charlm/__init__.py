"""charlm trains recurrent language models on text of your own, samples new text from them, and measures perplexity.

The folders, in the order in which a text goes through them:

    text/       files → token ids; n-gram counts; the record that tells copies from new text
    kernels/    the compiled arithmetic
    network/    parameters, layers and the order of the kernels' calls; the same equations in plain NumPy
    tasks/      what a network is trained to do: predict the next token, a label, tags, a translation
    model       what training makes and everything else uses; modelfile: its file
    training/   corpus → model: the loop, checkpoints, settings that fit the machine
    scoring/    model + text → perplexity; predicting: model + examples → labels, tags, targets
    sampling/   model → new text
    reports/    pages and pictures
    display/    what a person sees in the terminal
    cli/        the commands
"""

from ._version import __version__ as __version__


def train(paths, *, on_report=None, **options):
    """Train a model on text files and return the one that does best on the held-out part.

    paths: a file's name or several, "-" for standard input; options: those of ``charlm train``, with underscores
    (hidden=256, lines=True, max_vocabulary=10000). on_report: a function called with each ``reporting.Report``. Raises
    CharlmError.
    """
    from .training.autotune import new_trainer
    from .training.progress import reports

    trainer = new_trainer(paths, **options)
    for report in reports(trainer.run(), every=1.0):
        if on_report:
            on_report(report)
    return trainer.best


def load(path):
    """The model in a file. Raises ModelFileError where there is none."""
    from .model import load_model

    return load_model(path)


def sample(model, count=1, length=None, **options):
    """An iterator of samples (text, log_probability, tokens, perplexity, longest_copied_run, novel), each when it is
    whole.

    options: those of ``charlm sample``, with underscores (temperature=0.8, start_with="Tyr", fill="Tyr____us"). Raises
    SamplingError, after what was found, where no more can be.
    """
    from .sampling.options import SamplingOptions
    from .sampling.sampler import new_sampler

    return new_sampler(model, count, length, SamplingOptions(**options)).samples()


def perplexity(model, text, **options):
    """How surprising a text is: a ``loss.Score`` (nats_per_token, perplexity, bits_per_character, bits_per_byte, …)."""
    from .scoring import perplexity as levels

    return levels.perplexity(model, text, **options)


def log_probability(model, text):
    """Natural logarithm of the probability of a text; that of a model of lines is one line, its end included."""
    from .scoring import scorer as scoring

    return scoring.log_probability(model, text)


def predict(model, items, **options):
    """What a model of another task than text makes of each of some items, in a list; for a classifier label →
    probability, the likeliest first. items: texts, or for a tagger lists of words; options: those of ``charlm
    predict``."""
    from .predicting import Predictor

    return Predictor(model).predict(list(items), **options)
