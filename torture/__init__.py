"""What charlm promises about its files, its input and its results, and a try of each promise.

A try is a generator: it yields one line for each attempt, what was lost in it, or "" where nothing was. Its counts are
arguments: `make torture` takes the full ones (__main__.py), `make test` small ones (tests/test_torture.py).

    kills       killed, stopped, and gone on from, to the same bytes
    faults      operations on files that fail, one by one; full disks, little memory
    modelfiles  damaged and hostile model files (attacks)
    corpora     hostile texts
    caches      broken caches of compiled kernels
    bits        the same bytes for any number of threads and lanes
    terminals   control characters, locales, options at their edges
    soak        an hour of going on again and again

    workshop    what they share: a text, runs of charlm, how a run has to end
"""
