"""Compiled functions, and nothing else: arrays in, arrays out. A kernel returns no new array.

The modules in reading order:

    numba_private  the one place that uses private parts of numba, and plain caching where numba's version is untried
    compiling      the decorators ``compiled``, ``apart``, ``internal`` and ``inlined``; where machine code is cached
    ahead          two processes compile the kernels of a first training
    prefetch       asks the processor to fetch memory early
    sixteen        sixteen numbers at a time, read from float32 or bfloat16 and written to either
    reduce         sums and maxima over a row
    activations    σ, tanh, exp and log
    tile           the matrix product: packing, the register tile, the loops around it
    bfloat16       the same product with operands in bfloat16
    gather         one-hot input and embeddings as rows of a table; reversed sequences; sums of rows
    kept           what a cell keeps of each step, and where its products read the states, in either precision
    rnn, gru, lstm, feedforward   the cells: each file opens with its equations, forward before backward
    lstm_pairs     the LSTM once more, for scoring in bfloat16: no backward pass
    gradients      the gradients of a layer's weights
    sharded        the same where several shards share the rows: sums along a tree
    softmax        softmax and cross-entropy
    logistic       the same for labels that do not exclude each other
    ngrams         the mixture of a network and n-grams, and the derivatives of its loss
    adaptive       the mixture that learns from the text as it reads it
    dropout        the masks of dropout
    updates        the norm of the gradient, and Adam
    merging        merges of pairs of tokens, from which subwords are learnt

Letters, here and in ``network/``: T steps, N rows of the batch, D input width, H hidden width, V symbols of the
vocabulary or outputs of the head, P parameters. ``d`` before a name is the gradient of the loss with respect to it.
Arrays are time-major. States are [T+1, N, H], and slot 0 holds the state before the first step. Ranges are half open: a
kernel that takes ``start, stop`` works on the rows (or columns) [start, stop) only, so that several threads can share
one call.

How to read a contract: ``name [shape] in`` is read, ``out`` is written, ``in/out`` is read and written. [T, N, ≥ H]
means that the last axis may be longer; a kernel leaves the rest of it as it is. No two arrays of one call may share
memory, unless the contract says that they may.

The gates keep the names of Andrew Ng's course (Deep Learning Specialization). In code, where a letter cannot carry a
tilde, c̃ is ``g``; the registry of cells (``network/cells.py``) says ``g`` too.

    charlm  gate or state           PyTorch, LSTM   PyTorch, GRU
    u       update (input) gate     i               1 - z
    f       forget gate             f
    o       output gate             o
    r       reset gate                              r
    c̃       candidate               g               n
    q       recurrent part of c̃                     W_hn h + b_hn
    c       cell state              c               h
    a       activation              h               h (a = c)

    columns of z, LSTM    u, f, o, c̃                PyTorch: i, f, g, o
    columns of z, GRU     c̃, u, r, q                PyTorch: r, z, n
"""
