"""From files to token ids.

reading        bytes of files → text
vocabulary     text ⇄ ids
corpus         a training part and a held-out part of ids
token_buffer   ids that are too many for memory
batches        ids → batches for training
ngrams         n-gram counts with Kneser–Ney smoothing
baselines      what unigrams, n-grams and xz reach on the held-out part
novelty        a record of the training text that tells copies from new text
bloom          the Bloom filter under it
visible        text made safe for a terminal
"""
