"""charlm trains recurrent language models on text of your own, draws new text from them, and measures perplexity.

The road, and the module of each part:

    text  →  ids          corpus (store: ids that are too many for memory), vocabulary, batches
    ids   →  network      network/ (parameters, layers, order of the calls), kernels/ (everything compiled)
          →  loss         loss, reference (the network in plain NumPy)
          →  update       optimizers, settings, training (pace: what there is time for), planning (what nobody chose)
          →  model file   model, modelfile, novelty (bloom), checkpoint, places (where files may be written)
          →  new text     sampling (beginning, drawing, chance, units, chains, acceptance; filling)
          →  labels, …    tasks/ (what a network is trained to do, a module for each), predicting
          →  perplexity   scoring, levels (by line, by token), comparing (models, baselines), painting, page
    all of it, to people  cli/, display/, errors
"""

__version__ = "0.1.0"


def train(paths, *, on_report=None, **options):
    """Train a model on text files and return the one that does best on the held-out part.

    paths: a file's name or several, "-" for standard input; options: those of ``charlm train``, with underscores
    (hidden=256, lines=True, max_vocabulary=10000). on_report: a function called with each ``reporting.Report``. Raises
    CharlmError.
    """
    from .planning import new_trainer
    from .reporting import reports

    trainer = new_trainer(paths, **options)
    for report in reports(trainer.run(), every=1.0):
        if on_report:
            on_report(report)
    return trainer.best


def load(path):
    """The model in a file. Raises ModelFileError where there is none."""
    from .modelfile import load_model

    return load_model(path)


def sample(model, count=1, length=None, **options):
    """An iterator of samples (text, log_probability, tokens, perplexity, longest_copied_run, novel), each when it is
    whole.

    options: those of ``charlm sample``, with underscores (temperature=0.8, start_with="Tyr", fill="Tyr____us"). Raises
    SamplingError, after what was found, where no more can be.
    """
    from .sampling import new_sampler

    return new_sampler(model, count, length, **options).samples()


def perplexity(model, text, **options):
    """How surprising a text is: a ``loss.Score`` (nats_per_token, perplexity, bits_per_character, bits_per_byte, …)."""
    from . import levels

    return levels.perplexity(model, text, **options)


def log_probability(model, text):
    """Natural logarithm of the probability of a text; that of a model of lines is one line, its end included."""
    from . import scoring

    return scoring.log_probability(model, text)


def predict(model, items, **options):
    """What a model of another task than text makes of each of some items, in a list; for a classifier label →
    probability, the likeliest first. items: texts, or for a tagger lists of words; options: those of ``charlm
    predict``."""
    from .predicting import Predictor

    return Predictor(model).predict(list(items), **options)
