"""Trials of what charlm promises about its files, its input and its results.

A trial is a generator. It yields one line per attempt: the line says what went wrong, or is "" if nothing did. The
counts are arguments: `make torture` passes the full ones (trials.py), `make test` small ones (tests/test_torture.py).

    trials      the trials by their names, with their counts
    kills       trainings that are killed or stopped, and resumed to the same bytes
    faults      file operations that fail, one by one; full disks, little memory
    modelfiles  damaged and hostile model files
    attacks     the hostile model files
    corpora     hostile texts
    caches      broken caches of compiled kernels
    bits        the same bytes for any number of threads and lanes
    machines    the same results on every machine
    samples     a million samples against their distribution
    memory      peak memory by the size of the text
    terminals   control characters, locales, extreme values of options
    soak        an hour of stopping and resuming
    fuzz        atheris against the readers of model files and texts

    runs        shared by all: a small text, runs of charlm, how a run must end
"""
