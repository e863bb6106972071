"""charlm import: weights of another program → model file."""

import click

from ..export.options import IMPORT, OUTPUT
from ..options import QUIET
from .options import FILE, command


@command(
    [OUTPUT, *IMPORT, QUIET],
    name="import",
    arguments=[click.Argument(["weights"], type=FILE, metavar="WEIGHTS")],
    examples=(
        "charlm import names.safetensors -o names.npz",
        "charlm import char-rnn.safetensors --symbols symbols.json -o char-rnn.npz",
    ),
)
def import_(*, weights, output, symbols, level, lines, quiet):
    """Make a model of WEIGHTS, a .safetensors file or the folder of a model hub.

    What charlm export wrote comes back whole. From PyTorch come language models of an nn.LSTM, nn.GRU or nn.RNN, with
    one-hot input or an embedding and a linear map of the output; charlm knows them by the shapes of their tensors, and
    needs their --symbols.
    """
    from ..display import say
    from ..export.importing import import_model
    from ..files import check_outputs, exclusive_output
    from ..learning.results import previous_path
    from ..modelfile import is_model, save_model

    previous = previous_path(output)
    used = [weights, *([symbols] if symbols else [])]
    check_outputs((output, previous), used, is_model, "a model of charlm", "--output")
    with exclusive_output((output, previous)):
        model, notes = import_model(weights, symbols, level, lines)
        kept = is_model(output)
        save_model(model, output, previous)
    notes += [f"kept the model that was there as {previous}"] if kept else []
    for line in [] if quiet else [*notes, f"wrote {output}"]:
        say(line)
