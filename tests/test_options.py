"""The table of options: the command line, Python and the checkpoints agree with it, and errors are plain lines."""

import re
import warnings
from dataclasses import fields
from typing import get_type_hints

import click
import numpy as np
import pytest
from click.testing import CliRunner

import charlm
from charlm.cli import program
from charlm.errors import UsageError
from charlm.learning.options import BY_NAME, NAMES, OF_FILES, TrainingOptions, given_options, stored_options
from charlm.learning.session import TrainingFiles
from charlm.learning.settings import Settings
from charlm.options import BEAM, COMMAND_LINE, TOP, Option
from charlm.sampling.options import SAMPLING
from charlm.sampling.settings import SamplingOptions
from charlm.scoring.options import SCORING
from charlm.scoring.pipeline import ScoringOptions
from charlm.text.corpus import CorpusOptions
from charlm.text.options import TEXT

IDIOMS = "Invalid value|Missing (option|argument|parameter)|range|No such|Got unexpected|requires an argument|is not a"
COMMANDS = list(program.commands)


def run(*arguments, **settings):
    return CliRunner().invoke(program, [str(argument) for argument in arguments], prog_name="charlm", **settings)


# The table and what is made from it


def test_the_typed_options_of_a_training_are_those_of_the_table():
    assert get_type_hints(TrainingOptions) == {name: BY_NAME[name].annotation for name in NAMES}


@pytest.mark.parametrize(
    ("kind", "table", "others"),
    [
        (SamplingOptions, SAMPLING, {"count", "length", "prime_file", "interactive", "midi"}),
        (ScoringOptions, SCORING, set()),
        (CorpusOptions, TEXT, {"level"}),
        (TrainingFiles, OF_FILES, {"explain", "quiet", "show"}),
    ],
)
def test_the_fields_of_options_are_those_of_the_table(kind, table, others):
    """With the same defaults. ``CorpusOptions`` has the seed of the training too, and its own default of the level,
    because only a training by the clock chooses one."""
    defaults = {field.name: field.default for field in fields(kind) if field.name not in others}
    if kind is CorpusOptions:
        del defaults["seed"]
    assert defaults == {option.name: option.default for option in table if option.name not in others}
    assert others <= {option.name for option in table}


def test_settings_take_the_defaults_of_the_table_where_there_are_any():
    for field in fields(Settings):
        assert BY_NAME[field.name].default in (None, field.default)


def test_the_command_line_has_the_defaults_of_the_table():
    """Those of a command line that gives nothing but what is required."""
    keep = {"help_option_names": ["-h", "--help"]}
    for name, arguments, table in (
        ("train", ["text.txt", "-o", "m.npz"], BY_NAME.values()),
        ("sample", ["-m", "m.npz"], SAMPLING),
    ):
        values = program.commands[name].make_context(name, arguments, **keep).params
        for option in table:
            if not option.required:
                assert values[option.name] == option.default or option.default == "", option.name


# Values


def option(kind, **more):
    return Option("top_k", kind, "", **more)


@pytest.mark.parametrize(
    ("one", "value", "words"),
    [
        (option(int, least=1, most=65536), "32", "an integer from 1 to 65,536, not '32'"),
        (option(int, least=1, most=65536), 0, "an integer from 1 to 65,536, not 0"),
        (option(int, least=1), 1.5, "an integer of at least 1, not 1.5"),
        (option(int), True, "an integer, not True"),
        (option(int), np.bool_(True), "an integer, not True"),
        (option(int, least=0), [1], "an integer of at least 0, not [1]"),
        (option(float), float("nan"), "a number, not nan"),
        (option(float, least=0, above_least=True), float("inf"), "a number above 0, not inf"),
        (option(float, least=0, above_least=True), 10**400, "a number above 0, not 1000"),
        (option(float, least=0, most=1, below_most=True), 1, "a number of at least 0 and below 1, not 1"),
        (option(float, least=0, most=1, above_least=True), np.float32(0), "a number above 0 and at most 1, not 0.0"),
        (option(float, least=0, most=1), False, "a number from 0 to 1, not False"),
        (option(bool), "yes", "True or False, not 'yes'"),
        (option(bool), 1, "True or False, not 1"),
        (option(str), 3, "a text, not 3"),
        (option(str, several="both"), ["a", 3], "a text, or several, not 3"),
        (option(str, choices=("char", "word", "byte")), "letters", "char, word or byte, not 'letters'"),
        (BY_NAME["output"], 3, "the name of a file, not 3"),
        (option(str, choices=("a", "b")), "x" * 100, f"a or b, not '{'x' * 58}…"),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_a_value_that_cannot_be(one, value, words):
    with pytest.raises(UsageError, match=f"^{re.escape(f'{one.name} must be {words}')}"):
        one.check(value)


@pytest.mark.parametrize("text", ["abc", "1.5", "0", "", "9" * 5000], ids=lambda text: text[:9])
def test_the_command_line_names_the_option_as_it_is_written_there(text):
    with pytest.raises(UsageError, match="^--top-k must be an integer from 1 to 9, not "):
        option(int, least=1, most=9).read(text)


def test_numbers_of_numpy_become_those_of_python():
    for one, value, clean in (
        (option(int), np.int32(3), 3),
        (option(float), np.float32(0.5), 0.5),
        (option(float), 2, 2.0),
        (option(bool), np.True_, True),
        (option(int, several="Python"), np.arange(2), (0, 1)),
        (option(str, several="both"), ["a", "b"], ("a", "b")),
        (option(int, default=7), None, 7),
    ):
        found = one.check(value)
        assert found == clean and type(found) is type(clean)
        if isinstance(found, tuple):
            assert {type(item) for item in found} <= {int, str}


def test_an_old_name_gives_the_new_one_and_a_warning():
    with pytest.warns(FutureWarning, match="the cell 'window' is now called 'feedforward'"):
        assert given_options({"cell": "window"}) == {"cell": "feedforward"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert stored_options({"cell": "window"}) == {"cell": "feedforward"}  # a checkpoint needs no advice


# Python


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hiden": 3}, "there is no option 'hiden'; did you mean 'hidden'?"),
        ({"quiet": True}, "there is no option 'quiet'"),
        ({"hidden": "32"}, "hidden must be an integer from 1 to 65,536, not '32'"),
        ({"seed": -1}, "seed must be an integer of at least 0, not -1"),
        ({"threads": 0}, "threads must be an integer from 1 to 1,024, not 0"),
        ({"minutes": "5"}, "minutes must be a number above 0 and at most 1,000,000, not '5'"),
        ({"lines": "yes"}, "lines must be True or False, not 'yes'"),
        ({"valid": 5}, "valid must be the path of a file or a list of paths, not 5"),
        ({"save_every": -1}, "save_every must be a number of at least 0, not -1"),
        ({"resume": 1}, "resume must be True or False, not 1"),
    ],
    ids=str,
)
def test_a_training_from_python_checks_its_options_before_it_reads(options, words):
    with pytest.raises(UsageError, match=f"^{re.escape(words)}"):
        charlm.train("no such file", **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": "hot"}, "temperature must be a number of at least 0, not 'hot'"),
        ({"top_k": 1.5}, "top_k must be an integer of at least 0, not 1.5"),
        ({"count": 0}, "count must be an integer of at least 1, not 0"),
        ({"length": "9"}, "length must be an integer of at least 1, not '9'"),
        ({"fill": "a_", "count": 2.0}, "count must be an integer of at least 1, not 2.0"),
        ({"seed": (1, -1)}, "seed must be an integer of at least 0, not -1"),
        ({"stop": 3}, "stop must be a text, or several, not 3"),
        ({"unique": "no"}, "unique must be True or False, not 'no'"),
        ({"corpus": 3}, "corpus must be the name of a file, or several, not 3"),
        ({"temprature": 1}, "there is no option 'temprature'; did you mean 'temperature'?"),
    ],
    ids=str,
)
def test_sampling_from_python_checks_its_options(tiny_model, options, words):
    model = charlm.load(tiny_model)
    with pytest.raises(UsageError, match=f"^{re.escape(words)}"):
        charlm.sample(model, **options)


def test_none_stands_for_the_default_and_a_number_of_numpy_for_its_value(tiny_model):
    model = charlm.load(tiny_model)
    plain = [one.text for one in charlm.sample(model, 2, 9, seed=3)]
    assert plain == [one.text for one in charlm.sample(model, np.int64(2), 9, seed=np.int64(3), temperature=None)]


def test_scoring_and_prediction_check_their_options(tiny_model):
    model = charlm.load(tiny_model)
    with pytest.raises(UsageError, match="^threads must be an integer from 1 to 1,024, not 0"):
        charlm.perplexity(model, "abba", threads=0)
    with pytest.raises(UsageError, match="^adapt must be a number above 0 and at most 1, not '1'"):
        charlm.perplexity(model, "abba", adapt="1")
    for one in TOP, BEAM:
        with pytest.raises(UsageError, match=f"^{one.name} must be an integer"):
            one.check(0)


# The command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train text.txt -o m.npz --hidden abc", "--hidden must be an integer from 1 to 65,536, not 'abc'"),
        ("train text.txt -o m.npz --lr nan", "--lr must be a number above 0, not nan"),
        ("train text.txt -o m.npz --cell elman", "--cell must be rnn, gru, lstm, peephole or feedforward, not 'elman'"),
        ("train text.txt -o m.npz --lines=1", "--lines takes no value: give --lines alone, or leave it out"),
        ("train text.txt -o m.npz --log", "--log needs a value: --log FILE"),
        ("train text.txt", "name the file that the model goes to: --output FILE"),
        ("report m.npz", "name the file that the page goes to: --output FILE"),
        ("train", "name the text to train on: charlm train CORPUS --output FILE"),
        ("train text.txt --hiden 3", "there is no option --hiden; did you mean --hidden?"),
        ("sample tiny.npz", "name the model: charlm sample --model tiny.npz"),
        ("info a.npz b.npz", "charlm info cannot use 'b.npz'; it takes one file"),
        ("sample -m tiny.npz --start-with Once upon", "charlm sample cannot use 'upon'; put a text that has spaces"),
        ("sampel", "there is no command 'sampel'; the commands are train, sample, "),
        ("predict --top 0 -m m.npz", "--top must be an integer of at least 1, not 0"),
        ("perplexity -m m.npz --background red", "--background must be dark or light, not 'red'"),
        ("perplexity", "name the model: charlm perplexity --model FILE"),
        ("info a b", "charlm info cannot use 'b'"),
    ],
)
def test_a_wrong_use_is_one_plain_line(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"charlm: error: {words}") and result.stderr.count("\n") == 1
    assert not re.search(IDIOMS, result.stderr)


def test_the_program_alone_shows_its_help():
    alone = run()
    assert (alone.exit_code, alone.stderr) == (0, "")
    assert alone.stdout == run("--help").stdout


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_the_terminal_and_breaks_no_word(name, width):
    """Whatever the width, it has the same words; a line is too long only where one word is."""
    shown = run(*name.split(), "--help", env={"COLUMNS": str(width)}).stdout
    for line in shown.splitlines():
        assert len(line) < min(width, 80) or len(line.split()) == 1, line
    wide = run(*name.split(), "--help", env={"COLUMNS": "80"}).stdout
    assert set(shown.split()) - {"\\"} == set(wide.split()) - {"\\"}


def test_the_help_has_groups_and_the_options_that_matter_first():
    for name, first, headings in (
        (
            "train",
            "--output --task --lines --minutes --resume --from",
            [
                *("What to learn", "How long", "The network", "The updates", "Going on with a model"),
                *("Files and output", "Examples"),
            ],
        ),
        (
            "sample",
            "--model --count --length --temperature --start-with",
            [
                "What to sample",
                "How the next token is sampled",
                "Which samples are rejected",
                "Files and output",
                "Examples",
            ],
        ),
    ):
        shown = run(name, "--help").stdout
        assert re.findall(r"^(\w.*):$", shown, re.M) == ["The options that matter first", *headings]
        section = shown.split("The options that matter first:")[1].split("\n\n")[0]
        assert re.findall(r"^  (?:-\w, )?(--[\w-]+)", section, re.M) == first.split()
        options = [one for one in program.commands[name].params if isinstance(one, click.Option)]
        for one in options:
            assert len(re.findall(rf"^  (?:-\w, )?{one.opts[0]}\b(?!-)", shown, re.M)) == 1, one.opts


def test_every_option_of_the_command_line_comes_from_the_table():
    names = {one.name for one in (*BY_NAME.values(), *SAMPLING, *SCORING)}
    for command in "train", "sample":
        params = program.commands[command].params
        assert {one.name for one in params} - names <= {"corpus", "model_path", "as_json", "quiet"}
    assert {one.name for one in BY_NAME.values() if one.where == COMMAND_LINE} == {"explain", "quiet", "show"}


def test_an_example_that_is_too_long_goes_on_after_a_backslash():
    narrow = run("perplexity", "--help", env={"COLUMNS": "40"}).stdout
    joined = re.sub(r" \\\n\s+", " ", narrow)
    assert "charlm perplexity -m english.npz -m german.npz letter.txt" in joined
    assert "sort -t$'\\t' -k5 -rn" in joined
