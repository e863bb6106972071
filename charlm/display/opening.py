"""What a training says before it begins: what will happen, and for how long; with ``--explain`` also why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..tasks.summary import number_of
from ..text.vocabulary import UNITS
from .durations import in_words
from .fine_tuning import before_lines

if TYPE_CHECKING:
    from ..learning.level import LevelChoice
    from ..learning.loop import Trainer
    from ..learning.session import TrainingSession
    from ..network.architecture import Architecture
    from ..tasks.examples import Examples
    from ..text.corpus import Corpus

MOST_NAMES = 3  # of files


def opening(session: TrainingSession, explain: bool = False) -> list[str]:
    """What a training will do, its network, and advice where the text looks unsuitable. explain: also the reasons of
    the settings."""
    from ..learning.autotune import SMALL

    trainer = session.trainer
    corpus, unit = trainer.corpus, session.unit
    lines = [*filter(None, [session.given_up]), _what_will_happen(trainer, unit)]
    if trainer.choice and trainer.choice.level:
        lines.append(_level(trainer.choice))
    if _is_taken_for_a_list(corpus):
        lines.append("each line is a text of its own; if this is no list, --stream takes it as one long text")
    if trainer.task.name == "text":
        lines.append(_unknown(corpus, "min_count" in session.options))
    lines += [*corpus.notes, *before_lines(session)]
    lines.append(f"the network: {_network(trainer.architecture)}")
    if trainer.ngrams:
        lines.append(
            f"counts of {len(trainer.ngrams) - 1:,} n-grams (runs of up to "
            f"{number_of(trainer.ngrams.order, UNITS[corpus.vocabulary.level])})"
            f"{', of both texts,' if trainer.base and trainer.base.order else ''} predict together with it"
        )
    if trainer.settings.precision == "bf16" and "precision" not in session.options:
        lines.append(
            "charlm multiplies in numbers of 16 bits (bf16), because this processor is faster with them; "
            "--precision float32 is more exact"
        )
    if trainer.step:
        lines.append(f"resuming after {number_of(trainer.step, 'update')}")
    if trainer.plan and len(corpus.train) < SMALL:
        lines.append("the text is small: a longer text helps more than any option")
    return [*lines, *(_reasons(trainer, unit) if explain else ())]


def _level(choice: LevelChoice) -> str:
    """What the tokens are, why, and how to have the others."""
    level, other = ("subword", "char") if choice.level == "subword" else ("char", "subword")
    if choice.passes and choice.bits is None:
        why = f"a wide network can read the text {choice.passes:.0f} times, enough to learn more from {UNITS[level]}s"
    elif choice.bits is None:
        why = "the text or the time is too short to compare"
    else:
        bits = dict(zip(("char", "subword"), choice.bits, strict=True))
        why = (
            f"n-grams of {UNITS[level]}s need {bits[level]:.3f} bits per character of the held-out text, n-grams of "
            f"{UNITS[other]}s {bits[other]:.3f}"
        )
    return f"a token is a {UNITS[level]}: {why}; --level {other} takes {UNITS[other]}s"


def _unknown(corpus: Corpus, is_given: bool) -> str:
    """How many tokens are <UNK>, and which. is_given: somebody said how often a symbol must occur."""
    from ..text.corpus import DEFAULT_MIN_COUNT

    level, shares = corpus.vocabulary.level, corpus.unknown_shares
    parts = zip(("training", "held-out"), shares if len(corpus.held_out) else shares[:1], strict=False)
    found = " and ".join(f"{100 * share:.2g} % of the {name} part" for name, share in parts)
    line = f"tokens that the model does not know (<UNK>): {found if any(shares) else 'none'}"
    if is_given or DEFAULT_MIN_COUNT[level] == 1:
        return line
    known = "are known, as they are more than 2 %" if corpus.min_count == 1 else "are among them"
    return f"{line}; {UNITS[level]}s that occur once {known} (--min-count decides otherwise)"


def _is_taken_for_a_list(corpus: Corpus) -> bool:
    """Whether charlm has found by itself that each line is a text of its own."""
    return corpus.lines_chosen and corpus.lines


def _what_will_happen(trainer: Trainer, unit: str) -> str:
    corpus, task = trainer.corpus, trainer.task.name
    names = [*corpus.names[:MOST_NAMES]]
    if len(corpus.names) > MOST_NAMES:
        names[1:] = [f"{number_of(len(corpus.names) - 1, 'other file')}"]
    text = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    learns = "learns" if task == "text" else f"learns to {task}"
    if trainer.base:
        learns = f"goes on with {trainer.base.ancestry[0]['name']}, and {learns}"
    size = ("a list: " if _is_taken_for_a_list(corpus) else "") + _size(corpus, unit)
    beginning = f"charlm {learns} from {text} ({size}) {_how_long(trainer)}"
    if trainer.evaluation:
        return f"{beginning}, and keeps the model that predicts the held-out text best"
    return f"{beginning}; nothing is held out{_why_nothing(corpus)}, so charlm keeps the last model"


def _why_nothing(corpus: Corpus | Examples) -> str:
    """Why nothing is held out, as words in parentheses; "" where somebody asked for that."""
    return f" ({corpus.why_no_held_out})" if corpus.why_no_held_out else ""


def _size(corpus: Corpus, unit: str) -> str:
    """How much text there is to learn from, and how much is held out."""
    from ..text.corpus import Corpus, line_starts

    parts = [corpus.train, corpus.held_out]
    sizes = [len(part) for part in parts]
    if corpus.lines and isinstance(corpus, Corpus):
        unit = "line" if corpus.vocabulary.form.separator is None else "item"
        sizes = [len(line_starts(part)) - 1 if len(part) else 0 for part in parts]
    return number_of(sizes[0], unit) + (f", and {sizes[1]:,} held out to test it" if sizes[1] else "")


def _how_long(trainer: Trainer) -> str:
    minutes = trainer.settings.minutes
    if minutes:
        return f"for {in_words(minutes)}"
    passes = trainer.total_tokens / len(trainer.corpus.train)
    return f"in {passes:.3g} pass{'es' if passes != 1 else ''} over the text"


def _network(a: Architecture) -> str:
    """An architecture in plain words."""
    kind = "feed-forward" if a.context else f"recurrent ({a.cell.upper() if len(a.cell) < 5 else a.cell})"
    seen = f", which sees the last {number_of(a.context, 'token')}" if a.context else ""
    seen += ", which reads forward and backward" if a.bidirectional else ""
    layers = f"{number_of(a.layers, 'layer')} of {number_of(a.hidden, 'unit')}"
    return f"{kind}, {layers}{seen}; {a.number_of_parameters:,} numbers to learn (parameters)"


def _reasons(trainer: Trainer, unit: str) -> list[str]:
    """The settings, each with what it means, and why charlm chose it."""
    corpus, a, settings = trainer.corpus, trainer.architecture, trainer.settings
    symbol = UNITS[corpus.vocabulary.level]
    batch = trainer.task.batch_description(corpus, trainer.rows, settings.steps)
    entry = (
        f"an embedding: for each {symbol} the network learns {a.embedding:,} numbers, which are its input"
        + (" and also the weights of its output (tied)" if a.tied else "")
        if a.embedding
        else f"one-hot: each {symbol} selects its own row of weights in the first layer"
    )
    lines = [
        f"vocabulary: {len(corpus.vocabulary):,} different {symbol}s, with the end of a line (<EOS>) and what is "
        "unknown (<UNK>)",
        f"input: {entry}",
        *([_width(trainer)] if trainer.plan and trainer.plan.widest and not trainer.step else []),
        f"update: the network reads {batch}, and then changes its numbers a little",
        f"dropout: {_dropout(settings.dropout)}",
    ]
    if trainer.evaluation:
        lines.append(
            "held-out text: the network never learns from it, so its loss tells how well new text is predicted"
        )
    return [
        *lines,
        f"loss: how surprised the network is, in nats per {unit}; 0 would mean that it knows all in advance",
    ]


def _dropout(rate: float | None) -> str:
    why = "so that it cannot memorise the text"
    if rate is None:
        return f"grows as far as it is needed: units of the network are switched off at random, {why}"
    if not rate:
        return "none: no unit of the network is switched off while it learns"
    return f"{rate:g}: this fraction of the units, another one each time, is switched off at random, {why}"


def _width(trainer: Trainer) -> str:
    """Why the layers are as wide as they are."""
    from ..learning.autotune import tokens_per_weight

    plan, symbol = trainer.plan, UNITS[trainer.corpus.vocabulary.level]
    tokens, passes = plan.tokens, plan.tokens / len(trainer.corpus.train)
    number = f"{tokens / 1e6:.2g} million" if tokens < 1e7 else f"{tokens / 1e6:,.0f} million"
    times = f"{passes:.2g}" if passes < 10 else f"{passes:,.0f}"
    return (
        f"width: in this time, this machine can read about {number} {symbol}s (the text {times} times); charlm chose "
        f"the widest layers for which these are at least {tokens_per_weight(trainer.corpus)} {symbol}s per weight"
    )
