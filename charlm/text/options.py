"""The options that say how files are read and split: a part of those of ``charlm train``."""

from os import PathLike

from ..options import ENCODING, INPUTS, LEVELS, PYTHON, Option
from .forms import NORMAL_FORMS

WHAT = "What to learn"

TEXT = (
    Option(
        "input",
        str,
        "What a sequence is made of. vectors: the numbers of several channels at each step (speech, movements, "
        "measurements), for --task classify, tag or translate: a table with a step on each line, the label, tag or "
        "target in its last column, and a blank line after each sequence; or a .ts or .npz file.",
        default="text",
        choices=INPUTS,
        group=WHAT,
    ),
    Option(
        "level",
        str,
        "What a token is: a character, a subword (a frequent word or a part of a word, learnt from the training text), "
        "a word, whatever stands between spaces (token), or a byte.",
        default_in_words="char; of one long text, with --minutes, char or subword as the text suits",
        choices=LEVELS,
        group=WHAT,
    ),
    Option(
        "lines",
        bool,
        "Each line is a text of its own (a name, for example), or with --stream a part of one long text.",
        default_in_words="chosen by the text",
        negative="--stream",
        group=WHAT,
    ),
    Option(
        "columns",
        str,
        "Read these columns of a table (TSV, CSV, CoNLL), or keys of JSON Lines, in the order of --task, by name or "
        "number: label,text for classify and generate, word,tag for tag, source,target for translate; for text one "
        "column, each field a text of its own.",
        default_in_words="label<TAB>text and the like, see --task",
        several=PYTHON,
        metavar="NAMES",
        group=WHAT,
    ),
    Option(
        "multi_label",
        bool,
        "With --task classify, a line may have several labels, or none: __label__a __label__b text, or a column of "
        "labels that commas or bars separate.",
        default=False,
        group=WHAT,
    ),
    Option(
        "noise",
        float,
        "With --input vectors: in training, add random numbers to each channel. At each step, 1 is the deviation of "
        "the channel within a sequence. A sequence as a whole gets half as much, where 1 is the deviation over all.",
        default_in_words="0.6 for --task classify with up to 1,000 sequences, less for more; 0 for other tasks",
        least=0,
        most=100,
        metavar="D",
        group=WHAT,
    ),
    Option(
        "holdout",
        float,
        "Hold out this fraction of the text to measure on: the end of the text or, of a list, random lines.",
        default_in_words="0.1; of fewer than 1,000 sequences of --input vectors, 0",
        least=0,
        most=1,
        below_most=True,
        metavar="FRACTION",
        group=WHAT,
    ),
    Option(
        "valid",
        PathLike,
        "Measure on this file instead of a held-out part.",
        several=PYTHON,
        metavar="FILE",
        group=WHAT,
    ),
    ENCODING,
    Option(
        "separator",
        str,
        "The text is items of several lines (poems, recipes, tunes), and a line TEXT separates two of them; with an "
        'empty TEXT ("") a blank line does. Each item is a text of its own, as each line is with --lines.',
        metavar="TEXT",
        group=WHAT,
    ),
    Option(
        "normalize",
        str,
        "Bring the text into this normal form of Unicode, and each text that the model reads later: NFC joins letters "
        "and their accents, NFKC also replaces variants of characters.",
        default="none",
        choices=NORMAL_FORMS,
        group=WHAT,
    ),
    Option(
        "min_count",
        int,
        "Replace symbols that occur fewer than N times in the training text by <UNK>. With subwords, these are "
        "characters.",
        default_in_words="1; for words 2, or 1 where more than 2 % of the text would be <UNK>",
        least=1,
        metavar="N",
        group=WHAT,
    ),
    Option(
        "max_vocabulary",
        int,
        "Keep the N most frequent symbols, <EOS> and <UNK> included. With subwords, make N in all.",
        default_in_words="all, or chosen by the text for subwords",
        least=3,
        metavar="N",
        group=WHAT,
    ),
    Option(
        "novelty",
        bool,
        "Store in the model file what charlm sample needs to tell new text from copies. Anyone who has the file can "
        "then test whether a line was in the training text.",
        default=True,
        default_in_words="--novelty",
        negative="--no-novelty",
        group=WHAT,
    ),
)
