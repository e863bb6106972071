"""charlm trains recurrent language models on text of your own, draws new text from them, and measures perplexity.

The road, and the module of each part:

    text  →  ids          corpus, vocabulary
    ids   →  network      network/ (parameters, layers, order of the calls), kernels/ (everything compiled)
          →  loss         loss, reference (the network in plain NumPy)
          →  update       optimizers, training
          →  model file   model, modelfile
          →  new text     sampling
          →  perplexity   scoring
"""

__version__ = "0.1.0"
