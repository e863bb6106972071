"""The table of the options of sampling: those of ``charlm sample``, with their defaults."""

from os import PathLike

from ..options import BOTH, COMMAND_LINE, ENCODING, FILES, GIVEN, PYTHON, TRILLION, Option, by_name

UNKNOWNS = ("reject", "mask")
MOST_TRIES = 10_000
WHAT, HOW, WHICH = "What to sample", "How the next token is sampled", "Which samples are rejected"  # groups

SAMPLING = (
    Option(
        "count",
        int,
        "Number of samples.",
        default_in_words="1, or 10 for a model of lines, unless only the most likely token is sampled",
        least=1,
        most=TRILLION,
        metavar="N",
        group=WHAT,
    ),
    Option(
        "length",
        int,
        "Tokens (characters, subwords, words or bytes, by --level) per sample; for a model of lines, the most that a "
        "line may have; for a model of --task chords, steps.",
        default_in_words="500, or 1,000 for lines; for chords as many as a usual training sequence has",
        least=1,
        most=TRILLION,
        metavar="N",
        group=WHAT,
    ),
    Option("start_with", str, "Begin every sample with this text.", default="", metavar="TEXT", group=WHAT),
    Option(
        "fill",
        str,
        "Fill each blank _ of a pattern with a character (a byte at --level byte; at --level word or token, ____ is "
        "one). The fillings are sampled given the whole pattern, what comes after a blank included. \\_ is an "
        "underscore.",
        metavar="PATTERN",
        group=WHAT,
    ),
    Option(
        "stop",
        str,
        "End a sample after this text, which is printed, with the rest of its last token if that is longer. Give it "
        "several times for several texts.",
        default=(),
        several=BOTH,
        metavar="TEXT",
        group=WHAT,
    ),
    Option(
        "prime",
        str,
        "Text that the model reads first. It is not printed, and not part of a sample.",
        default="",
        metavar="TEXT",
        group=WHAT,
    ),
    Option(
        "prime_file",
        PathLike,
        "Like --prime, from a file (- for standard input); the last 2,048 tokens are read.",
        where=COMMAND_LINE,
        metavar="FILE",
        group=WHAT,
    ),
    Option(
        "midi",
        PathLike,
        "For a model of --task chords whose symbols are pitches (60 or C4): also write the samples to this file, as "
        "music that one can hear (.mid); a step lasts half a second.",
        where=COMMAND_LINE,
        metavar="FILE",
        group=FILES,
    ),
    Option(
        "interactive",
        bool,
        "Read beginnings from standard input, one per line, and continue each of them.",
        default=False,
        where=COMMAND_LINE,
        group=WHAT,
    ),
    Option("given", str, GIVEN.help, metavar=GIVEN.metavar, group=WHAT),
    Option(
        "temperature",
        float,
        "Below 1, the text gets more predictable; above 1, more surprising. 0 takes the most likely token at each "
        "step, and so gives the same text each time.",
        default=1.0,
        least=0,
        metavar="T",
        group=HOW,
    ),
    Option(
        "top_k",
        int,
        "Sample from the K most likely tokens only; 0 means all.",
        default=0,
        least=0,
        metavar="K",
        group=HOW,
    ),
    Option(
        "top_p",
        float,
        "Sample from the fewest tokens whose probabilities reach P in sum.",
        default=1.0,
        least=0,
        above_least=True,
        most=1,
        metavar="P",
        group=HOW,
    ),
    Option(
        "min_p",
        float,
        "Drop tokens whose probability is less than P times that of the most likely token.",
        default=0.0,
        least=0,
        most=1,
        metavar="P",
        group=HOW,
    ),
    Option(
        "best_of",
        int,
        "Sample N candidates for each sample, and print the most likely one.",
        default=1,
        least=1,
        metavar="N",
        group=HOW,
    ),
    Option(
        "most_likely",
        int,
        "Search for the N most likely samples instead of sampling, the most likely first; of a stream, these are texts "
        "of --length tokens, or up to a --stop. Not with --count, --fill, --temperature, --top-k, --top-p, --min-p, "
        "--best-of, --unknown or --max-tries.",
        least=1,
        most=TRILLION,
        metavar="N",
        group=HOW,
    ),
    Option(
        "seed",
        int,
        "The same seed gives the same samples, for any --count.",
        default_in_words="a new seed",
        least=0,
        several=PYTHON,
        metavar="N",
        group=HOW,
    ),
    Option(
        "unknown",
        str,
        "What to do with <UNK>. reject: reject samples that contain it, which keeps the model's distribution of all "
        "other samples. mask: set its probability to 0 at each step.",
        default="reject",
        choices=UNKNOWNS,
        group=WHICH,
    ),
    Option(
        "min_length",
        int,
        "Reject samples with fewer than N characters.",
        default=0,
        least=0,
        metavar="N",
        group=WHICH,
    ),
    Option(
        "max_length",
        int,
        "Reject samples with more than N characters.",
        default_in_words="no limit",
        least=1,
        metavar="N",
        group=WHICH,
    ),
    Option("unique", bool, "Reject a sample that repeats an earlier one.", default=False, group=WHICH),
    Option(
        "max_copied",
        int,
        "Reject samples with more than N characters in a row from the training text or its held-out part; a model of "
        "lines also rejects every whole line of them. At least 15 without --corpus.",
        default_in_words="50, or 30 for lines; more if the text itself repeats more, see charlm info",
        least=1,
        metavar="N",
        group=WHICH,
    ),
    Option("allow_copies", bool, "Print copies of the training text too.", default=False, group=WHICH),
    Option(
        "corpus",
        PathLike,
        "Search this text for copies. The answers are exact; the record in the model file is rarely wrong.",
        several=PYTHON,
        metavar="FILE",
        group=WHICH,
    ),
    Option(
        "max_tries",
        int,
        "Give up after N rejections in a row.",
        default=MOST_TRIES,
        least=1,
        metavar="N",
        group=WHICH,
    ),
    Option(
        "encoding",
        str,
        "The encoding of --prime-file, of --corpus and of the lines that --interactive reads.",
        default=ENCODING.default,
        metavar=ENCODING.metavar,
        group=FILES,
    ),
)
BY_NAME = by_name(SAMPLING)
