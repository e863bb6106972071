"""From files to token ids, and what can be known of a text before a network sees it.

In reading order:

reading        files → clean text, in pieces
formats        what a file is, by its first bytes
decompression  compressed bytes → the bytes in them
decoding       bytes → text, and what is wrong with bytes that are no text
forms          the form in which a model reads a text: normalised, or items of several lines
columns        files of columns: tables, CoNLL and JSON Lines
vocabulary     text ⇄ token ids, for characters, subwords, words or bytes
subwords       text → pieces, and their characters → subwords
merges         learns the merges that make subwords
token_buffer   holds the ids of a text that is too long for memory
corpus         files → a training part and a held-out part of ids, and the options for that
batches        ids → batches of inputs and targets
counting       which n-grams a text has, and how often
ngrams         their probabilities, with Kneser–Ney smoothing, and what a model file holds of them
interpolation  n-grams of two texts → those of both
baselines      the loss of unigrams, n-grams and xz on the held-out part
novelty        a record of the training text that tells copies from new text
bloom          the Bloom filter that novelty uses
visible        text made safe for a terminal
durations      times in words
layout         lines that keep to the width of a terminal
"""
