"""How surprising a text is to a model.

blocks      text, read ahead in blocks
scorer      model + tokens → the scores of each token
adaptive    the same by a model that keeps learning from the text
perplexity  scored blocks → the figures of a text
rows        one row per line or per token
comparison  several models on one text
"""
