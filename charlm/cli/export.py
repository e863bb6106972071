"""charlm export: model file → a file or a folder for other programs."""

import click

from ..export.options import EXPORT
from ..options import QUIET
from .options import FILE, command


@command(
    [*EXPORT, QUIET],
    arguments=[
        click.Argument(["model_path"], type=FILE, metavar="MODEL"),
        click.Argument(["output"], type=FILE, metavar="OUT"),
    ],
    explanation=(
        "What OUT can be",
        (
            ("FILE.html", "a page that writes: one file for any browser, which needs no network"),
            ("FILE.safetensors", "the weights as PyTorch names them, and all else that the model file has"),
            ("FILE.onnx", "the network as a graph that onnxruntime runs; of a translator two files"),
            ("FOLDER/", "a folder for a model hub: the weights, config.json, and a model card, README.md"),
        ),
    ),
    examples=(
        "charlm export names.npz names.html",
        "charlm export names.npz names.safetensors --snippet > sample.py",
        "charlm export names.npz names/",
    ),
)
def export(*, model_path, output, to, snippet, quiet, **options):
    """Write a model for other programs: MODEL, a file that charlm train wrote, becomes OUT."""
    from ..display import say, write_text
    from ..export import export_model, form_of, weights_in
    from ..export.snippet import program_for
    from ..model import load_model

    form_of(output, to)  # before the model is read
    weights = weights_in(output, to) if snippet else ""
    model = load_model(model_path)
    program = program_for(model, weights) if weights else ""
    given = {name: value for name, value in options.items() if value is not None}
    notes = export_model(model, output, to, (model_path,), **given)
    for line in [] if quiet else [*notes, f"wrote {output}"]:
        say(line)
    write_text(program)
