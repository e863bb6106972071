"""The model of a finished training, rounded to float16, and what that costs on the held-out part."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ModelFileError
from ..model import Model
from ..modelfile import in_float16
from ..network.architecture import views

if TYPE_CHECKING:
    from .loop import Trainer


def rounded(trainer: Trainer) -> Model | None:
    """The best model of a trainer in float16; None, with a warning, where float16 cannot hold one of its weights.

    Its record of the training has the held-out losses of the rounded model, and ``unrounded``, the loss before.
    """
    model = trainer.best_in_float32
    parameters = model.parameters.copy()
    try:
        for name, values in in_float16(views(model.architecture, parameters), True).items():
            views(model.architecture, parameters)[name][:] = values
    except ModelFileError as error:
        warnings.warn(f"the model is stored in float32: {error}", stacklevel=2)
        return None
    training = model.training | _losses(trainer, parameters)
    return replace(model, parameters=parameters, store="float16", training=training)


def _losses(trainer: Trainer, parameters: np.ndarray) -> dict:
    """The entries of the record of a training that change where the best model gets these parameters."""
    before = trainer.state.best_loss
    if before is None:
        return {}
    (exact, _), (found, network) = (_measured(trainer, values) for values in (trainer.best_parameters, parameters))
    losses = {"valid_loss": before + found - exact, "unrounded": before}
    if trainer.state.best_alone:
        losses["alone"] = {"network": network, "ngrams": trainer.state.best_alone[1]}
    return losses


def _measured(trainer: Trainer, parameters: np.ndarray) -> tuple[float, float]:
    """The held-out loss of the best model with these parameters, and that of its network alone.

    With n-grams it is measured with the weights that the file has, those of both halves of the held-out part; the loss
    of an evaluation knows one half at a time.
    """
    evaluation, now = trainer.evaluation, trainer.parameters.copy()
    trainer.parameters[:] = parameters
    try:
        network = evaluation.loss()
        if not trainer.state.best_weights:
            return network, network
        return evaluation.sample_loss(evaluation.size, 3 * trainer.state.best_weights), network
    finally:
        trainer.parameters[:] = now
