"""The model of a finished training, rounded to float16, and what that costs on the held-out part."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ModelFileError
from ..model import Model
from ..modelfile import in_float16
from .state import TrainingState


def rounded(model: Model, state: TrainingState, evaluation: Any, parameters: np.ndarray) -> Model | None:
    """The best model of a training in float16; None, with a warning, where float16 cannot hold one of its weights. Its
    record of the training has the held-out losses of the rounded model, and ``unrounded``, the loss before.

    evaluation: on the held-out part, None without one (see ``tasks.HeldOutEvaluation``). parameters: those that it
    measures, (P); they are the same afterwards.
    """
    found = replace(model, parameters=model.parameters.copy(), store="float16")
    try:
        halves = in_float16(model.named_parameters)
    except ModelFileError as error:
        warnings.warn(f"the model is stored in float32: {error}", stacklevel=2)
        return None
    for name, values in found.named_parameters.items():
        values[:] = halves[name]
    if state.best_loss is not None:
        latest = parameters.copy()
        try:
            parameters[:] = model.parameters
            exact, _ = _losses(state, evaluation)
            parameters[:] = found.parameters
            loss, network = _losses(state, evaluation)
        finally:
            parameters[:] = latest
        losses: dict[str, Any] = {"unrounded": state.best_loss, "valid_loss": state.best_loss + loss - exact}
        if state.best_alone:
            losses["alone"] = {"network": network, "ngrams": state.best_alone[1]}
        found.training = model.training | losses
    return found


def _losses(state: TrainingState, evaluation: Any) -> tuple[float, float]:
    """The held-out loss under the parameters of now, and that of the network alone.

    With n-grams it is measured with the weights that the file has, fitted to all of the held-out part. The loss that
    ``state`` has of the best model was measured with weights that were fitted to the other half.
    """
    network = evaluation.loss()
    if not state.best_weights:
        return network, network
    return evaluation.sample_loss(evaluation.size, 3 * state.best_weights), network
