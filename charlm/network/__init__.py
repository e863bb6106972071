"""The network in ordinary Python: its parameters, and the order in which it calls the kernels.

The modules in reading order; a star marks those that import the kernels, and with them the compiler:

    cells            the registry of cells: layout, kernels, learning rate of each
    architecture     sizes, names and shapes of the parameters, and their first values
    multiply_adds    how much arithmetic a network takes
    growing          more inputs and outputs for a network, its parameters untouched
    protocols        what a network, its parts and an optimizer must offer: Network, Window, Head, Layer, Optimizer
    threads          a pool of threads that share the work of an update
    dealing          ranks that share the work of a command that does not train
    sharding         fixed parts of the rows of a batch, whose gradients are summed along one tree
    products *       a weight matrix, packed for the kernels, and its matrix products
    dropout *        which units an update drops
    layers *         a recurrent layer
    bidirectional *  two recurrent layers, the second of which reads from the end
    feedforward *    a layer of the feed-forward language model
    sampled_softmax  which outputs an update computes where the vocabulary is large
    head *           softmax, or the logistic function, and cross-entropy on top of the states
    stack *          layers and a head: forward, backward, gradients
    sequences *      whole sequences of different lengths through a stack
    translator *     an encoder and a decoder
    tagger *         a reader of words, and a network over sentences
    optimizers *     clipping and Adam
    reference        the same equations in plain NumPy: the oracle of the tests
    probabilities    softmax and its logarithm in NumPy
    mixture          a network and n-grams that predict together
    stepper          the NumPy engine: the tokens so far → the logits of the next token
    prefixes         sequences that begin alike: the NumPy engine reads a beginning once
    lstm_reader *    an LSTM that scores in bfloat16
    mixed_window *   a mixture in kernels: scoring, and fitting its weights
    measuring        tokens through a network → how well it predicts each of them: chunks, burn-in, TokenScores. It
                     stands here and not in ``scoring``, because ``tasks`` need it too and come before ``scoring``
    adaptive_mixture *   a mixture that learns from the text that it predicts
"""
