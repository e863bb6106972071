"""Tests of the name lists and the text generators in corpora/."""

import ast
import importlib
import math
import random
import re
import statistics
import subprocess
import sys
import zlib
from collections import Counter
from datetime import date, datetime
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

CORPORA = Path(__file__).resolve().parent.parent / "corpora"

# The scripts import their shared command line from their own folder.
sys.path.insert(0, str(CORPORA))
arithmetic, chords, corpus_command, date_pairs, dates, dna, entities, genes, gestures = map(
    importlib.import_module, "arithmetic chords corpus_command date_pairs dates dna entities genes gestures".split()
)
numerals, opinions, spoken_digits, standard_library, sums, tunes = map(
    importlib.import_module, "numerals opinions spoken_digits standard_library sums tunes".split()
)
sys.path.remove(str(CORPORA))


def sample(texts, count, seed=1):
    """Return the first lines or tunes of a source, without their line ends."""
    return [text.rstrip("\n") for text in islice(texts(random.Random(seed)), count)]


def command(name, *arguments):
    """Start a script and return the process."""
    return subprocess.Popen(
        [sys.executable, CORPORA / f"{name}.py", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


# The names


def names(file):
    """Return the names in a list."""
    return (CORPORA / file).read_text(encoding="ascii").split("\n")[:-1]


@pytest.mark.parametrize(("file", "least"), [("dinosaurs.txt", 740), ("dinosaurs-held-out.txt", 85)])
def test_names_are_clean_and_sorted(file, least):
    listed = names(file)
    assert len(listed) >= least
    assert [name for name in listed if not re.fullmatch("[A-Z][a-z]+", name)] == []
    assert listed == sorted(set(listed))


def test_names_are_split_by_their_checksum():
    assert all(zlib.crc32(name.encode()) % 10 != 0 for name in names("dinosaurs.txt"))
    assert all(zlib.crc32(name.encode()) % 10 == 0 for name in names("dinosaurs-held-out.txt"))


def test_readme_counts_the_names():
    readme = (CORPORA / "README.md").read_text(encoding="utf-8")
    assert f"{len(names('dinosaurs.txt')):,} genera" in readme
    assert f"{len(names('dinosaurs-held-out.txt'))} other genera" in readme


def test_the_sentences_are_the_same_in_each_language():
    texts = [(CORPORA / f"{name}.txt").read_text(encoding="utf-8") for name in ("english", "german", "french")]
    assert all(text.count("\n") == 36 == len(set(text.splitlines())) and text.endswith("\n") for text in texts)
    assert [[line[-1] == "?" for line in text.splitlines()] for text in texts[1:]] == [
        [line[-1] == "?" for line in texts[0].splitlines()]
    ] * 2


# The command line


@pytest.mark.parametrize(
    ("name", "texts", "items"),
    [
        ("dna", dna.lines, 30),
        ("arithmetic", arithmetic.lines, 30),
        ("dates", dates.lines, 30),
        ("tunes", tunes.tunes, 3),
    ],
)
def test_seed_decides_the_text(name, texts, items):
    output, errors = command(name, "--lines", "30", "--seed", "5").communicate()
    assert errors == b""
    assert output.decode() == "".join(islice(texts(random.Random(5)), items))
    assert output.count(b"\n") == 30
    assert sample(texts, items, seed=5) != sample(texts, items, seed=6)


def test_last_text_is_finished():
    assert list(corpus_command.up_to(3, iter(["a\n\n", "b\n\n", "c\n\n"]))) == ["a\n\n", "b\n\n"]
    assert list(corpus_command.up_to(0, iter(["a\n"]))) == []


def test_reader_may_leave_early():
    process = command("dates", "--lines", "1000000000")
    assert process.stdout.readline().endswith(b"\n")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_entropy_is_printed():
    output, _ = command("dna", "--entropy").communicate()
    assert output.decode() == "0.7448 nats or 1.0745 bits per character\n"


# The entropies


@pytest.fixture(scope="module")
def dna_lines():
    """Return a sample of DNA lines, made once."""
    return sample(dna.lines, 1000)


@pytest.fixture(scope="module")
def date_probabilities():
    """Return the probability of every line of dates, computed once."""
    return dates.probabilities()


@pytest.fixture(scope="module")
def entropies():
    """Return the entropy rate of each source that has one, computed once."""
    return {"dna": dna.entropy(), "arithmetic": arithmetic.entropy(), "dates": dates.entropy()}


def assert_sample_costs(lines, probability, entropy):
    """Check that the lines have that entropy per character, within four standard errors."""
    excess = [-math.log(probability(line)) - entropy * (len(line) + 1) for line in lines]
    error = statistics.stdev(excess) / math.sqrt(len(lines))
    assert error < 0.01 * entropy * statistics.mean(len(line) + 1 for line in lines)
    assert abs(statistics.mean(excess)) < 4 * error


def test_dna_sample_costs_its_entropy(dna_lines, entropies):
    assert_sample_costs(dna_lines, dna.line_probability, entropies["dna"])


def test_arithmetic_sample_costs_its_entropy(entropies):
    table = arithmetic.probabilities()
    assert_sample_costs(sample(arithmetic.lines, 5000), table.__getitem__, entropies["arithmetic"])


def test_dates_sample_costs_its_entropy(date_probabilities, entropies):
    assert_sample_costs(sample(dates.lines, 5000), date_probabilities.__getitem__, entropies["dates"])


def test_dna_entropy_is_the_formula(entropies):
    probabilities = [64 / 85, 16 / 85, 4 / 85, 1 / 85]
    later = -sum(p * math.log(p) for p in probabilities)
    assert entropies["dna"] == pytest.approx((3 * math.log(4) + 57 * later) / 61)


def test_dna_needs_all_its_memory():
    rates = [dna.entropy(memory) for memory in range(4)]
    assert all(longer < shorter - 0.05 for shorter, longer in pairwise(rates))


@pytest.mark.parametrize("memory", range(4))
def test_dna_counts_show_its_entropy(dna_lines, memory):
    pairs = Counter()
    for line in dna_lines:
        pairs.update((line[position - memory : position], line[position]) for position in range(3, 60))
    pasts = Counter()
    for (past, _), count in pairs.items():
        pasts[past] += count
    later = -sum(count * math.log(count / pasts[past]) for (past, _), count in pairs.items()) / len(dna_lines)
    assert (3 * math.log(4) + later) / 61 == pytest.approx(dna.entropy(memory), rel=0.01)


def test_arithmetic_entropy_is_the_formula(entropies):
    pairs = [(a, b) for a in range(100) for b in range(100)]
    length = statistics.mean(
        (len(f"{a}+{b}={a + b}") + len(f"{max(a, b)}-{min(a, b)}={abs(a - b)}")) / 2 + 1 for a, b in pairs
    )
    assert entropies["arithmetic"] == pytest.approx((math.log(20000) - 0.495 * math.log(2)) / length)


def test_dates_entropy_is_the_formula(date_probabilities, entropies):
    assert math.fsum(date_probabilities.values()) == pytest.approx(1)
    length = sum(probability * (len(line) + 1) for line, probability in date_probabilities.items())
    expected = (math.log(36525) + 15 / 8 * math.log(2)) / length
    assert entropies["dates"] == pytest.approx(expected)


def test_readme_gives_the_entropies(entropies):
    readme = (CORPORA / "README.md").read_text(encoding="utf-8")
    for name, nats in entropies.items():
        assert f"| `{name}.py` | {nats:.4f} | {nats / math.log(2):.4f} | {math.exp(nats):.4f} |" in readme
    for memory in range(3):
        assert f" {dna.entropy(memory):.4f}" in readme


# The lines


def test_dna_lines_have_sixty_letters(dna_lines):
    assert [line for line in dna_lines if not re.fullmatch("[ACGT]{60}", line)] == []


def test_arithmetic_is_true():
    operators = Counter()
    for line in sample(arithmetic.lines, 2000):
        a, operator, b, c = re.fullmatch(r"(\d+)([+-])(\d+)=(\d+)", line).groups()
        assert {a, b} <= {str(number) for number in range(100)}
        assert c == str(int(a) + int(b) if operator == "+" else int(a) - int(b))
        operators[operator] += 1
    assert operators["+"] == pytest.approx(1000, abs=4 * math.sqrt(500))


def test_dates_are_valid():
    forms = ["%d %B %Y", "%Y-%m-%d", "%B %d, %Y", "%d.%m.%Y", "%A, %d %B %Y"]
    found = Counter()
    for line in sample(dates.lines, 1000):
        for form in forms:
            try:
                day = datetime.strptime(line, form)
            except ValueError:
                continue
            assert 1950 <= day.year <= 2049
            assert re.sub(r"\b0", "", day.strftime(form)) == re.sub(r"\b0", "", line)
            found[form] += 1
    assert found.total() == 1000
    for form, rate in zip(forms, [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16], strict=True):
        assert found[form] == pytest.approx(1000 * rate, abs=4 * math.sqrt(1000 * rate))


def test_day_and_month_have_a_leading_zero_in_the_iso_form_only():
    assert dates.spellings(datetime(1987, 5, 3).date()) == (
        "3 May 1987",
        "1987-05-03",
        "May 3, 1987",
        "3.5.1987",
        "Sunday, 3 May 1987",
    )


def test_tunes_are_well_formed():
    away = {"G": "DFA", "D": "ACE", "A": "EGB", "Em": "DFA", "Am": "GBD", "Ador": "GBD", "Amix": "GBD"}
    seen = Counter()
    for number, tune in enumerate(sample(tunes.tunes, 200), start=1):
        index, name, metre, unit, key, *music = tune.split("\n")
        assert (index, unit) == (f"X:{number}", "L:1/8")
        assert re.fullmatch("T:[A-Z][A-Za-z' ]+", name)
        key = key.removeprefix("K:")
        beats, eighth = map(int, metre.removeprefix("M:").split("/"))
        assert len(music) == 4
        for part in ("".join(music[:2]), "".join(music[2:])):
            bars = re.fullmatch(r"\|:(.*):\|", part)[1].split("|")
            assert len(bars) == 8
            for bar in bars:
                assert re.fullmatch(r"[A-Ga-g]\d?( ?[A-Ga-g]\d?)*", bar)
                notes = re.findall(r"([A-Ga-g])(\d?)", bar)
                assert sum(int(length or 1) for _, length in notes) * eighth == beats * 8
            assert bars[4:6] == bars[:2]
            assert bars[3].rstrip("23456789")[-1].upper() in away[key]
            assert bars[7].rstrip("23456789")[-1].upper() == key[0]
        seen.update([metre, key])
    assert len(seen) == len(tunes.METRES) + len(tunes.KEYS)


def test_chorales_follow_their_rules():
    """Each chord is a triad of the key; a phrase has eight chords, some of two lines, and ends on the fifth or at home;
    the third phrase is the first one."""
    keys = Counter()
    for chorale in sample(chords.chorales, 200):
        *phrases, last = re.split(r"^-(?:\n|$)", chorale, flags=re.MULTILINE)
        assert last == "" and len(phrases) == 4 and phrases[2] == phrases[0] and chorale.endswith("-")
        found = [[tuple(map(int, line.split())) for line in phrase.splitlines()] for phrase in phrases]
        key = found[0][0][0] % 12  # the bass begins at home
        keys[key] += 1
        triads = {frozenset(chords.triad(key, degree)): degree for degree in chords.FOLLOWING}
        for number, phrase in enumerate(found):
            assert 9 <= len(phrase) <= 17
            for notes in phrase:
                assert list(notes) == sorted(set(notes)) and 3 <= len(notes) <= 4
                assert chords.LOWEST[0] <= notes[0] and notes[-1] <= chords.HIGHEST[3]
                assert any(tones >= {note % 12 for note in notes} for tones in triads)
            roots = {degree: chords.triad(key, degree)[0] for degree in chords.FOLLOWING}
            assert phrase[-1] == phrase[-2] and phrase[0][0] % 12 == roots[0]
            assert phrase[-1][0] % 12 == roots[0 if number % 2 else 4]
    assert len(keys) == len(chords.KEYS)


# The standard library


def test_standard_library_is_python():
    texts = list(islice(standard_library.sources(Path(ast.__file__).parent), 10))
    assert len(texts) == 10
    for text in texts:
        ast.parse(text)


def test_standard_library_limit_cuts_at_a_line_end():
    output, errors = command("standard_library", "--limit", "20000").communicate()
    assert errors == b""
    assert 19000 < len(output) <= 20000
    assert output.endswith(b"\n")
    texts = islice(standard_library.sources(Path(ast.__file__).parent), 20)
    assert "".join(texts).startswith(output.decode())


@pytest.mark.parametrize(("limit", "expected"), [(0, ""), (4, ""), (5, "é=1\n"), (8, "é=1\n"), (9, "é=1\nb=2\n")])
def test_limit_counts_bytes(limit, expected):
    assert "".join(standard_library.within(limit, ["é=1\n", "b=2\n"])) == expected


def test_standard_library_skips_tests_and_other_packages(tmp_path):
    for folder in ("", "b", "test", "json/tests", "site-packages", "idlelib", "lib2to3", "json"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "code.py").write_text(f"folder = '{folder}'", encoding="utf-8")
    (tmp_path / "broken.py").write_bytes(b"# \xff\n")
    (tmp_path / "notes.txt").write_text("no program\n")
    texts = list(standard_library.sources(tmp_path))
    assert texts == ["folder = ''\n", "folder = 'b'\n", "folder = 'json'\n"]


# Numbers in words


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (0, "zero null zéro cero zero"),
        (21, "twenty-one einundzwanzig vingt_et_un veintiuno ventuno"),
        (80, "eighty achtzig quatre-vingts ochenta ottanta"),
        (101, "one_hundred_and_one einhunderteins cent_un ciento_uno centouno"),
        (216, "two_hundred_and_sixteen zweihundertsechzehn deux_cent_seize doscientos_dieciséis duecentosedici"),
        (1003, "one_thousand_and_three eintausenddrei mille_trois mil_tres milletré"),
        (
            7571,
            "seven_thousand_five_hundred_and_seventy-one siebentausendfünfhunderteinundsiebzig "
            "sept_mille_cinq_cent_soixante_et_onze siete_mil_quinientos_setenta_y_uno settemilacinquecentosettantuno",
        ),
    ],
)
def test_the_spelling_of_numbers(number, names):
    assert [write(number) for write in numerals.LANGUAGES.values()] == [n.replace("_", " ") for n in names.split()]


def test_every_number_has_its_own_name():
    for write in numerals.LANGUAGES.values():
        assert len({write(number) for number in range(10_000)}) == 10_000


def test_numerals_are_labelled():
    found = Counter(line.split("\t")[0] for line in sample(numerals.lines, 3000))
    assert set(found) == set(numerals.LANGUAGES) and min(found.values()) > 500


# Pairs


def test_sums_are_right():
    found = [line.split("\t") for line in sample(sums.lines, 2000)]
    assert all(sum(map(int, question.split("+"))) == int(answer) for question, answer in found)
    lengths = Counter(len(number) for question, _ in found for number in question.split("+"))
    assert set(lengths) == {1, 2, 3} and min(lengths.values()) > 1100


def test_each_date_has_its_iso_form():
    for line in sample(date_pairs.lines, 500):
        written, iso = line.split("\t")
        assert written != iso and written in dates.spellings(date.fromisoformat(iso))


# Sentences with entities


def tagged_words(**settings):
    """The words of 600 sentences, each with its tag."""
    texts = sample(lambda source: entities.sentences(source, **settings), 600)
    return [[tuple(line.split("\t")) for line in text.split("\n")] for text in texts]


def test_entities_are_tagged_whole():
    kinds = Counter()
    for sentence in tagged_words():
        before = "O"
        assert sentence[-1] == (".", "O") and sentence[0][0][0].isupper()
        for word, tag in sentence:
            assert re.fullmatch("O|[BI]-(PER|LOC|ORG|DATE)", tag) and word.strip() == word != ""
            assert tag[0] != "I" or before[2:] == tag[2:]
            kinds[tag] += 1
            before = tag
    assert len(kinds) == 9 and min(kinds.values()) > 50


def test_held_out_names_do_not_occur_among_the_others():
    ordinary = {word for ways in entities.RULES.values() for way in ways for word in re.split("[ |_]", way)}
    ordinary |= {word.capitalize() for word in ordinary}
    made, held_out = (
        {word for sentence in tagged_words(held_out=chosen) for word, _ in sentence if not word.isdigit()} - ordinary
        for chosen in (False, True)
    )
    assert not made & held_out and min(len(made), len(held_out)) > 500


def test_one_name_may_be_anything():
    """The syllables of a name do not tell its type; only the ends of some names do."""
    ends = tuple(end for some in entities.ENDS.values() for end in some)
    found = {}
    for sentence in tagged_words():
        for word, tag in sentence:
            if re.fullmatch("[A-Z][a-z]{4}", word) and not word.endswith(ends):
                found.setdefault(tag[2:] or "O", set()).add(word[:2])
    assert set(found) >= {"PER", "LOC", "ORG", "O"}
    assert len(found["PER"] & found["LOC"]) > 10 and len(found["PER"] & found["ORG"]) > 10


def test_the_command_has_other_names_too():
    both = [command("entities", "--lines", "60", *more).communicate() for more in ([], ["--held-out"])]
    assert [errors for _, errors in both] == [b"", b""]
    for (output, _), held_out in zip(both, (False, True), strict=True):
        texts = corpus_command.up_to(60, entities.sentences(random.Random(1), held_out))
        assert output.decode() == "".join(texts)


# Opinions


def test_words_alone_do_not_tell_an_opinion():
    """Naive Bayes over words, trained on 4,000 opinions, is not much better than chance on 1,000 others."""
    examples = [line.split("\t") for line in sample(opinions.lines, 5000)]
    words = [(label, set(re.findall(r"\w+", text.lower()))) for label, text in examples]
    counts = {label: Counter() for label in ("positive", "negative")}
    for label, found in words[:4000]:
        counts[label].update(found)
    right = 0
    for label, found in words[4000:]:
        scores = {name: sum(math.log(count[word] + 1) for word in found) for name, count in counts.items()}
        right += max(scores, key=scores.get) == label
    assert right < 600
    assert 1900 < sum(label == "positive" for label, _ in words[:4000]) < 2100


def test_the_labels_of_opinions_are_right():
    """Of the opinions that a pattern reads: what is said, and what is turned around."""
    good, bad = (set(opinions.RULES[f"ADJECTIVE{sign}"]) for sign in "+-")
    thing = r"(?:It|(?:The|This) [\w é]+?) (?:is|was)"
    straight = re.compile(rf"{thing} (?:not only \w+ but also |very |quite )?(\w+)\.")
    turned = re.compile(rf"{thing} (?:(?:not|never|hardly|not at all|far from|neither \w+ nor)) (\w+)\.")
    found = Counter()
    for line in sample(opinions.lines, 5000):
        label, text = line.split("\t")
        for pattern, sides in ((straight, (good, bad)), (turned, (bad, good))):
            match = pattern.fullmatch(text)
            if match and match[1] in good | bad:
                assert match[1] in sides[label == "negative"], line
                found[pattern] += 1
    assert min(found[straight], found[turned]) > 50


# Genes


def test_genes_are_tagged_by_the_rule():
    """The same rule in a regular expression: a site, the first start at the right distance, triplets up to a stop."""
    gene = re.compile(r"AGGAGG(?=.{5,9}ATG).{5,9}?(ATG(?:(?!TAA|TAG|TGA)...)*(?:TAA|TAG|TGA|))")
    acids = Counter()
    for text in sample(genes.sequences, 300):
        letters, tags = zip(*(line.split("\t") for line in text.split("\n")), strict=True)
        whole, inside = "".join(letters), set()
        for match in gene.finditer(whole):
            for place in range(*match.span(1), 3):
                acid = genes.CODE[whole[place : place + 3]]
                assert tags[place : place + 3] == (f"B-{acid}", f"I-{acid}", f"I-{acid}")
                inside |= {place, place + 1, place + 2}
                acids[acid] += 1
        assert [place for place, tag in enumerate(tags) if tag != "O"] == sorted(inside)
    assert len(acids) == 21 and min(acids.values()) > 10 and acids["*"] > 200


def test_the_genetic_code_is_the_standard_one():
    """Triplets of several amino acids, from the table in any book on the cell."""
    some = {"ATG": "M", "TGG": "W", "TTT": "F", "AAA": "K", "GGC": "G", "CAT": "H", "GAA": "E", "ATA": "I", "AGA": "R"}
    assert {triplet: genes.CODE[triplet] for triplet in some} == some
    assert sorted(genes.STOPS) == ["TAA", "TAG", "TGA"] and len(genes.INSIDE) == 61


# Rows of numbers


def sequences_of_rows(texts, count, **settings):
    """The first sequences of a source: the numbers of each, (rows, columns), and its label."""
    heading, *found = sample(lambda source: texts(source, **settings), count + 1)
    for text in (heading.partition("\n")[2] + found[0], *found[1:]):
        rows = [line.split(",") for line in text.strip("\n").split("\n")]
        (label,) = {row[-1] for row in rows}
        assert {len(row) for row in rows} == {len(heading.split("\n")[0].split(","))}
        yield np.array([[float(number) for number in row[:-1]] for row in rows]), label


@pytest.mark.parametrize(("name", "texts"), [("spoken_digits", spoken_digits.words), ("gestures", gestures.gestures)])
def test_sequences_of_numbers_are_the_same_for_a_seed(name, texts):
    both = [command(name, "--lines", "60", *more).communicate() for more in ([], ["--held-out"])]
    assert [errors for _, errors in both] == [b"", b""]
    for (output, _), held_out in zip(both, (False, True), strict=True):
        made = "".join(corpus_command.up_to(60, texts(random.Random(1), held_out)))
        assert output.decode() == made and made.endswith("\n\n")
    assert both[0] != both[1]


def test_nobody_who_is_held_out_occurs_among_the_others():
    for groups in (spoken_digits.SPEAKERS, gestures.PEOPLE):
        assert not set(groups[False]) & set(groups[True]) and min(map(len, groups.values())) >= 3
    assert len({spoken_digits.Speaker(number).pitch for number in range(15)}) == 15
    assert len({gestures.Person(number).arm for number in range(35)}) == 35


def test_a_resonator_resounds_at_its_frequency():
    for frequency in (300.0, 1200.0, 3000.0):
        sound = spoken_digits.resonate([1.0] + [0.0] * 1999, [frequency] * 40, 60.0)
        assert np.argmax(abs(np.fft.rfft(sound))) * spoken_digits.RATE / 2000 == pytest.approx(frequency, abs=15)


def test_spoken_vowels_have_their_formants(monkeypatch):
    """Where no noise and no accent hides it: of the bands from there on, the loudest is that of the second formant."""
    mel = np.linspace(*(math.log(1 + frequency / 700) for frequency in (100, 5000)), spoken_digits.BANDS + 2)[1:-1]
    bands = 700 * (np.exp(mel) - 1)  # their middles, in Hz
    speaker = spoken_digits.Speaker(0)
    speaker.noise, speaker.accent = -60, {name: [1.0, 1.0, 1.0] for name in spoken_digits.SOUNDS}
    for sound in ("ih", "eh", "ah", "uw"):
        monkeypatch.setitem(spoken_digits.WORDS, "vowel", f"{sound} {sound} {sound}")
        rows = spoken_digits.energies(random.Random(1), speaker, "vowel")
        vowel = rows[len(rows) // 2 - 4 : len(rows) // 2 + 4].mean(0)
        second = speaker.scale * spoken_digits.SOUNDS[sound].formants[1]
        above = bands > 0.75 * second
        assert bands[above][np.argmax(vowel[above])] == pytest.approx(second, rel=0.2), sound


def test_spoken_digits_last_as_long_as_words():
    found = list(sequences_of_rows(spoken_digits.words, 40))
    assert {label for _, label in found} == set(spoken_digits.WORDS)
    assert all(numbers.shape[1] == spoken_digits.BANDS and 12 <= len(numbers) <= 60 for numbers, _ in found)
    assert all(numbers.max() - numbers.min() > 10 for numbers, _ in found)


def test_only_movements_tell_gestures_apart():
    measured = {}
    for numbers, label in sequences_of_rows(gestures.gestures, 300):
        x, y, left_x, left_y = numbers[5:-5].T
        across, up = (-x, y) if x.std() > left_x.std() else (left_x, left_y)  # of the hand that moves more, outwards
        area = (np.diff(across) * (up - up.mean())[1:] - np.diff(up) * (across - across.mean())[1:]).mean()
        together, turning = np.corrcoef(y, left_y)[0, 1], area / (across.var() + up.var())
        measured.setdefault(label, []).append((together, turning, np.mean(np.diff(across) > 0)))
    assert set(measured) == set(gestures.GESTURES)
    together, turning, outwards = (
        {label: np.median([values[index] for values in found]) for label, found in measured.items()}
        for index in range(3)
    )
    assert together["shake"] > 0.7 and together["drum"] < -0.7
    assert turning["circle-out"] > 0.3 and turning["circle-in"] < -0.3
    assert max(abs(turning[label]) for label in turning if "circle" not in label) < 0.15
    assert outwards["throw"] < 0.45 and outwards["pull"] > 0.55
