"""New text from a model. In reading order:

options         the table of the options of ``charlm sample``; settings: their values, checked once
sampler         the samples, in order
prompt          the text that the model reads before it samples
segmentation    of subwords: which tokens at the end of a text depend on what follows
beginning       the tokens that a candidate begins with, where the prompt ends inside a token
candidates      candidates for samples, in parallel, and where their segments end
segments        the part of each candidate that may still be rejected, in arrays
avoidance       the next token where every likely one would continue a copy
decoding        logits → the next token: temperature, top-k, top-p, min-p
random_streams  the random numbers of each candidate
acceptance      accepts a segment that has ended, or rejects it (<UNK>, length, copy) and samples it again
rules           the words of the reasons to reject, their counts, and the search for copies of the training text
samples         whole samples, and pieces of a growing one
infilling       patterns with blanks
most_likely     the most likely samples, by best-first search
chords          sequences of sets, and midi: what one can hear of them

The network itself predicts the next token in ``network/stepper.py``.
"""
