"""A training in words: what will happen, for how long, and why with these settings; and how it ended. The terminal
says it line by line, and the page of a training shows it."""

from __future__ import annotations

import os
import shlex
from dataclasses import fields
from typing import TYPE_CHECKING

from ..score import LN2, exp
from ..tasks.language import ORDERS
from ..tasks.summary import meaning_of_loss, number_of
from ..text.corpus import DEFAULT_MIN_COUNT, Corpus, line_starts
from ..text.durations import in_words, short
from ..text.vocabulary import UNITS
from ..vectors.sequences import VectorPart
from .autotune import SMALL, tokens_per_weight
from .before_and_after import before_lines
from .options import OF_FILES, TRAINING

if TYPE_CHECKING:
    from ..network.architecture import Architecture
    from ..tasks.examples import Examples
    from .level import LevelChoice
    from .loop import Trainer
    from .progress import Report
    from .run import Run

MOST_NAMES = 3  # of files
EARLY = 0.95  # of the minutes: a training that ends later took its time


def opening(run: Run, explain: bool = False) -> list[str]:
    """What a training will do, its network, and advice where the text looks unsuitable. explain: also the reasons of
    the settings."""
    trainer = run.trainer
    corpus, unit = trainer.corpus, run.unit
    lines = [*filter(None, [run.given_up]), _what_will_happen(trainer, unit)]
    if trainer.choice and trainer.choice.level:
        lines.append(_level(trainer.choice))
    if _is_taken_for_a_list(corpus):
        lines.append("each line is a text of its own; if this is no list, --stream takes it as one long text")
    if trainer.task.name == "text":
        lines.append(_unknown(corpus, "min_count" in run.options))
    lines += [*corpus.notes, *before_lines(run)]
    lines.append(f"the network: {_network(trainer.architecture)}")
    if trainer.ngrams:
        lines.append(_counts(trainer, "ngrams" in run.options))
    if trainer.settings.precision == "bf16" and "precision" not in run.options:
        lines.append(
            "charlm multiplies in numbers of 16 bits (bf16), because this processor is faster with them; "
            "--precision float32 is more exact"
        )
    if trainer.sampling and "softmax_samples" not in run.options:
        lines.append(
            f"an update computes the probabilities of its own {unit}s and of about {trainer.sampling.number:,} others, "
            f"because all {len(corpus.vocabulary):,} would take longer; --softmax-samples 0 computes all"
        )
    if trainer.ranks.number > 1:
        lines.append(_ranks(trainer))
    if trainer.step:
        lines.append(f"resuming after {number_of(trainer.step, 'update')}")
    if trainer.plan and len(corpus.train) < SMALL:
        lines.append("the text is small: a longer text helps more than any option")
    return [*lines, *(f"{name}: {words}" for name, words in (reasons(trainer, unit) if explain else ()))]


def _ranks(trainer: Trainer) -> str:
    """How many processes train together, and what that should gain, where it was measured."""
    line = f"{trainer.ranks.number:,} processes train it together"
    speedup = trainer.plan and trainer.plan.speedup
    if not speedup:
        return line
    advice = "" if speedup > 1 else ": they would do better with a larger --batch, or a wider network, or alone"
    return f"{line}, at about {speedup:.1f} times the speed of one{advice}"


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


def _counts(trainer: Trainer, is_given: bool) -> str:
    """How many n-grams predict together with the network. is_given: somebody said their order."""
    ngrams, level = trainer.ngrams, trainer.corpus.vocabulary.level
    line = (
        f"counts of {number_of(len(ngrams) - 1, 'n-gram')} (runs of up to {number_of(ngrams.order, UNITS[level])})"
        f"{', of both texts,' if trainer.base and trainer.base.order else ''} predict together with it"
    )
    if is_given or ngrams.order == ORDERS[level]:
        return line
    return f"{line}, because longer ones predict the held-out text less well; --ngrams {ORDERS[level]} takes these"


def _unknown(corpus: Corpus, is_given: bool) -> str:
    """How many tokens are <UNK>, and which. is_given: somebody said how often a symbol must occur."""
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
    learns = {"text": "learns", "chords": "learns sets of symbols"}.get(task, f"learns to {task}")
    if trainer.base:
        learns = f"goes on with {trainer.base.ancestry[0]['name']}, and {learns}"
    size = ("a list: " if _is_taken_for_a_list(corpus) else "") + _size(corpus, unit)
    beginning = f"charlm {learns} from {text} ({size}) {_how_long(trainer)}"
    if trainer.evaluation:
        return f"{beginning}, and keeps the model that predicts the held-out {_source(trainer)} best"
    return f"{beginning}; nothing is held out{_why_nothing(corpus)}, so charlm keeps the last model"


def _why_nothing(corpus: Corpus | Examples) -> str:
    """Why nothing is held out, as words in parentheses; "" where somebody asked for that."""
    return f" ({corpus.why_no_held_out})" if corpus.why_no_held_out else ""


def _size(corpus: Corpus, unit: str) -> str:
    """How much text there is to learn from, and how much is held out."""
    parts = [corpus.train, corpus.held_out]
    sizes = [len(part) for part in parts]
    if isinstance(corpus.train, VectorPart):
        unit, sizes = "sequence", [len(part.vectors.lengths) for part in parts]
    if corpus.lines and isinstance(corpus, Corpus):
        unit = "line" if corpus.vocabulary.form.separator is None else "item"
        sizes = [len(line_starts(part)) - 1 if len(part) else 0 for part in parts]
    return number_of(sizes[0], unit) + (f", and {sizes[1]:,} held out to test it" if sizes[1] else "")


def _how_long(trainer: Trainer) -> str:
    minutes = trainer.settings.minutes
    if minutes:
        return f"for {in_words(minutes)}"
    passes = trainer.total_tokens / len(trainer.corpus.train)
    return f"in {passes:.3g} pass{'es' if passes != 1 else ''} over the {_source(trainer)}"


def _source(trainer: Trainer) -> str:
    """What the training reads, in a word."""
    return "text" if trainer.task.input == "text" else "sequences"


def _network(a: Architecture) -> str:
    """An architecture in plain words."""
    kind = "feed-forward" if a.context else f"recurrent ({a.cell.upper() if len(a.cell) < 5 else a.cell})"
    seen = f", which sees the last {number_of(a.context, 'token')}" if a.context else ""
    seen += ", which reads forward and backward" if a.bidirectional else ""
    layers = f"{number_of(a.layers, 'layer')} of {number_of(a.hidden, 'unit')}"
    return f"{kind}, {layers}{seen}; {a.number_of_parameters:,} numbers to learn (parameters)"


def reasons(trainer: Trainer, unit: str) -> list[tuple[str, str]]:
    """(setting, what it means and why charlm chose it) of each setting. unit: of the losses."""
    corpus, a, settings = trainer.corpus, trainer.architecture, trainer.settings
    symbol = UNITS[corpus.vocabulary.level]
    entry = (
        f"an embedding: for each {symbol} the network learns {a.embedding:,} numbers, which are its input"
        + (" and also the weights of its output (tied)" if a.tied else "")
        if a.embedding
        else f"one-hot: each {symbol} selects its own row of weights in the first layer"
    )
    if a.channels:
        one_for_each = "symbol: 1 if it is in the set before"
        if trainer.task.input == "vectors":
            slopes = trainer.task.channels.slopes  # type: ignore[attr-defined]  # of VectorTask
            one_for_each = "channel" + (", and one for how fast it changes" if slopes else "")
        entry = f"{number_of(a.channels, 'number')} at each step, one for each {one_for_each}"
    has_symbols = not a.channels or trainer.task.name == "translate"
    symbols = (
        f"{len(corpus.vocabulary):,} different {symbol}s, with the end of a line (<EOS>) and what is unknown (<UNK>)"
    )
    rows = [
        *([("vocabulary", symbols)] if has_symbols else []),
        ("input", entry),
        *([("width", _width(trainer))] if trainer.plan and trainer.plan.widest and not trainer.step else []),
        ("update", _update(trainer)),
        ("dropout", _dropout(settings.dropout)),
    ]
    if trainer.evaluation:
        rows.append(
            (
                f"held-out {_source(trainer)}",
                "the network never learns from it, so its loss tells how well new text is predicted"
                if trainer.task.input == "text"
                else "the network never learns from these, so their loss tells how well new ones are predicted",
            )
        )
    return [
        *rows,
        ("loss", f"how surprised the network is, in nats per {unit}; 0 would mean that it knows all in advance"),
    ]


def _update(trainer: Trainer) -> str:
    settings = trainer.settings
    workers = settings.shards if settings.local_updates else 1
    batch = trainer.task.batch_description(trainer.corpus, trainer.rows // workers, settings.steps)
    if workers == 1:
        return f"the network reads {batch}, and then changes its numbers a little"
    return (
        f"each of {workers:,} networks reads {batch}, and then changes its numbers a little; after every "
        f"{number_of(settings.local_updates, 'update')} all of them go on from one place"
    )


def _dropout(rate: float | None) -> str:
    why = "so that it cannot memorise the text"
    if rate is None:
        return f"grows as far as it is needed: units of the network are switched off at random, {why}"
    if not rate:
        return "none: no unit of the network is switched off while it learns"
    return f"{rate:g}: this fraction of the units, another one each time, is switched off at random, {why}"


def _width(trainer: Trainer) -> str:
    """Why the layers are as wide as they are."""
    plan, symbol = trainer.plan, UNITS[trainer.corpus.vocabulary.level]
    tokens, passes = plan.tokens, plan.tokens / len(trainer.corpus.train)
    number = f"{tokens / 1e6:.2g} million" if tokens < 1e7 else f"{tokens / 1e6:,.0f} million"
    times = f"{passes:.2g}" if passes < 10 else f"{passes:,.0f}"
    return (
        f"in this time, this machine can read about {number} {symbol}s (the text {times} times); charlm chose "
        f"the widest layers for which these are at least {tokens_per_weight(trainer.corpus)} {symbol}s per weight"
    )


def ended(trainer: Trainer) -> str:
    """When and why a training ended."""
    passes = passes_of(trainer)
    return (
        f"ended after {short(trainer.state.seconds)}{why_early(trainer, passes)}: "
        f"{number_of(trainer.step, 'update')}, {passes:.3g} pass{'es' if passes != 1 else ''} over the "
        f"{_source(trainer)}"
    )


def passes_of(trainer: Trainer) -> float:
    """How often the training has read its text so far."""
    return trainer.state.epoch + trainer.state.tokens_of_epoch / len(trainer.corpus.train)


def why_early(trainer: Trainer, passes: float) -> str:
    """Why a training ended before its minutes were over, as words that follow how long it took; "" if it did not."""
    task, minutes = trainer.task, trainer.settings.minutes
    if not minutes or trainer.state.seconds > EARLY * 60 * minutes:
        return ""
    if round(passes, 2) >= task.most_epochs:
        return f", because --task {task.name} makes at most {task.most_epochs} passes"
    return ", because the held-out loss no longer fell" if trainer.state.ending else ""


def best_loss_line(run: Run) -> str:
    """The best held-out loss, and what it means."""
    loss, unit = run.trainer.best_loss, run.unit
    meaning = meaning_of_loss(loss, unit, run.trainer.corpus.vocabulary.level)
    the_model = "the model is " if meaning.startswith("as ") else ""
    return f"best held-out loss {loss:.4f} nats per {unit}: {the_model}{meaning}"


def best_baseline(run: Run) -> tuple[str, float] | None:
    """The n-gram baseline with the lowest loss: its name, and its loss in nats per token."""
    tokens = len(run.trainer.corpus.evaluated) if run.baselines else 0
    found = [(one.nats / tokens, one.name) for one in run.baselines if one.name != "xz"]
    return (min(found)[1], min(found)[0]) if found else None


def held_out_figures(run: Run) -> dict[str, dict[str, float]]:
    """The figures of the model, of its network alone and of the baselines on the held-out text: name → figure → value.
    xz has no tokens, and so no figures of them."""
    trainer, corpus = run.trainer, run.trainer.corpus
    by_text = "bits_per_byte" if corpus.vocabulary.level == "byte" else "bits_per_character"
    tokens, figures = len(corpus.evaluated), {}
    for name, nats in {
        "the model": trainer.best_loss * tokens,
        **({"network alone": trainer.state.best_alone[0] * tokens} if trainer.state.best_alone else {}),
        **{one.name: one.nats for one in run.baselines},
    }.items():
        figures[name] = {by_text: nats / LN2 / corpus.evaluated_characters}
        if name != "xz":
            figures[name] |= {"nats_per_token": nats / tokens, "perplexity": exp(nats / tokens)}
    return figures


def held_out_part(run: Run) -> str:
    """What the figures of ``held_out_figures`` were measured on, and what the n-grams know."""
    trainer, corpus, most = run.trainer, run.trainer.corpus, run.baseline_tokens
    unit, tokens = UNITS[corpus.vocabulary.level], len(corpus.evaluated)
    part = f"{'the first ' if tokens < len(corpus.held_out) else ''}{number_of(tokens, unit)}"
    rest = f"the last {number_of(most, unit)} of the" if most < len(corpus.train) else "the"
    knows_both = trainer.ngrams and trainer.base and trainer.base.order
    both = f", and in that of {trainer.base.ancestry[0]['name']}" if knows_both else ""
    return f"held-out text, {part}; n-grams counted in {rest} training text{both}"


def verdict(run: Run) -> tuple[bool, str]:
    """Whether the model is better than all baselines, and what that means or what to do. The run has baselines."""
    trainer, unit = run.trainer, UNITS[run.trainer.corpus.vocabulary.level]
    tokens = len(trainer.corpus.evaluated)
    better = [one.name for one in run.baselines if one.nats < trainer.best_loss * tokens]
    if better:
        longer = "train longer" if trainer.settings.minutes else "train with --minutes, which chooses the settings"
        remedy = (
            "give more text" if trainer.state.ending else f"{longer}, or give more text"
        )  # ending: it learnt enough
        names = " and ".join(filter(None, (", ".join(better[:-1]), better[-1])))
        return False, f"{names} did better than the model: {remedy}"
    name, loss = best_baseline(run)
    sentence = f"that is better than {name} ({loss:.4f}), which only count which {unit} follows which"
    if trainer.state.best_alone and trainer.state.best_alone[0] > trainer.best_loss:
        sentence += f", and than the network alone ({trainer.state.best_alone[0]:.4f})"
    return True, sentence


def how_far(trainer: Trainer, report: Report) -> tuple[float, float | None]:
    """The fraction of a training that is done, and the seconds that are left; None where nobody can know yet."""
    fraction = min(1.0, report.tokens / max(1, trainer.total_tokens))
    left = report.seconds * (1 - fraction) / fraction if fraction else None
    if trainer.settings.minutes and not trainer.state.ending:
        whole = 60 * trainer.settings.minutes
        by_clock = min(1.0, report.seconds / whole)
        if trainer.finished:
            return 1.0, 0.0
        if fraction < by_clock + 0.1 or left is None:  # it does not end before its time
            return by_clock, max(0.0, whole - report.seconds)
    return fraction, left


def as_argument(path) -> str:
    """The name of a file as one types it into a shell."""
    name = os.fspath(path)
    return shlex.quote(f"./{name}" if name.startswith("-") and name != "-" else name)


def command(run: Run) -> str:
    """What one types to train in the same way; "" for a text or a model from memory, which has no name."""
    if not all(isinstance(path, str | os.PathLike) for path in run.paths):
        return ""
    words = ["charlm", "train", *map(as_argument, run.paths)]
    given = run.given | {
        field.name: getattr(run.files, field.name)
        for field in fields(run.files)
        if getattr(run.files, field.name) != field.default
    }
    for option in (*TRAINING, *OF_FILES):
        value = given.get(option.name)
        if isinstance(value, bool):
            words.append((option.flag if value else option.negative) or "")
        elif value is not None:
            for one in value if isinstance(value, list | tuple) else [value]:
                if not isinstance(one, str | os.PathLike | int | float):
                    return ""  # a model or a text from memory
                words += [option.short or option.flag, as_argument(str(one))]
    return " ".join(filter(None, words))
