"""How surprising a text is to a model.

In the order in which a text goes through them:

    blocks      files or memory → blocks of text, read ahead by a thread
    scorer      model + tokens → the scores of each token
    adaptive    the same for a model that keeps learning from the text
    pipeline    models + blocks of text → scored blocks: all outputs start here

``network/measuring.py`` has what the scorer builds on: chunks, burn-in and TokenScores. It stands there because
``tasks`` need it too, and ``tasks`` come before this folder.

Outputs, each a consumer of scored blocks (painted text is in ``display``, the surprise page in ``reports``):

    perplexity  the figures of the whole text
    rows        one row per line or per token
    comparison  several models ranked on one text
    state_rows  the hidden states at each token or after each line (not from scored blocks)
    baselines   the figures of n-gram baselines and xz on the same text
    differences where several models differ, and where one is surprised
    steps       the figures of sequences of sets (not from scored blocks)

    palette     the colours of surprise, which all pages and the terminal use
"""
