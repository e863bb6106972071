"""Logits → probabilities, in NumPy: softmax and its logarithm over the last axis."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(x) / Σ exp(x) over the last axis, of the shape of ``logits`` (…, V)."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """x - log Σ exp(x) over the last axis, of the shape of ``logits`` (…, V)."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
