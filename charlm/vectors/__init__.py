"""Files of vectors → sequences of vectors with their answers: a label, a target, or a tag for each step.

The modules in reading order:

    examples    an example: a sequence, and what stands beside it; the numbers that cannot be
    tables      text with a step on each line and a blank line between sequences
    ts          the .ts files of the time-series archives
    archives    .npz files, and arrays from Python
    matlab      the arrays in .mat files
    rolls       files of piano rolls: arrays of sets, for tasks/sets.py
    reading     files of any of these forms → examples
    channels    what a model knows of its input: names, mean and deviation of each channel
    sequences   the sequences of a part of a corpus, and batches of them
"""
