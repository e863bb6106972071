"""New text from a model.

sampler         the samples, in order
candidates      samples under way, side by side
segments        the part of each candidate that may still be rejected
decoding        logits → the next token: temperature, top-k, top-p, min-p
prompt          the text that a sample begins with
random_streams  random numbers by their place
acceptance      which samples are shown, and why the others are rejected
infilling       patterns with blanks
"""
