"""Sample from a saved state_dict as a PyTorch user would: python pytorch_sample.py MODEL.pt LENGTH"""

import sys

import torch
from baselines import Cells
from workloads import Workload


def save(charlm_path, path):
    """Write the weights of a charlm LSTM as a state_dict, with the sizes and the symbols."""
    from baselines import load

    import charlm

    model = charlm.load(charlm_path)
    sizes = model.architecture
    workload = Workload(sizes.cell, sizes.layers, sizes.hidden, vocabulary=sizes.vocabulary_size)
    all_symbols = ["\n", "?", *model.vocabulary.symbols]
    torch.save(
        {"sizes": tuple(workload), "symbols": all_symbols, "weights": load(Cells(workload), model).state_dict()}, path
    )


@torch.inference_mode()
def sample(path, length):
    saved = torch.load(path, weights_only=True)
    network = Cells(Workload(*saved["sizes"]))
    network.load_state_dict(saved["weights"])
    token, state, symbols = torch.tensor([0]), network.start(1), []
    for _ in range(length):
        logits, state = network(token, state)
        token = torch.multinomial(torch.softmax(logits, 1), 1)[0]
        symbols.append(saved["symbols"][token.item()])
    return "".join(symbols)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(sample(sys.argv[1], int(sys.argv[2])))
