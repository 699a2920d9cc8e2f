"""The reference's sampler alone, on logits that are handed to it.

By hand, to write the draws that the tests of the native sampler are held to:

    python -m cosyvoice_reference.sampler --root CosyVoice --golden ../golden/tiny-7 \
        --draws 10000 --out ../parity/tests/data/sampler_draws.safetensors
"""

import argparse
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from . import checkout

#: The id that the reference holds back before the minimal length.
MASKED = 6561
#: Cases and rows of a golden whose logits are drawn from.
ROWS = (("english-short", 0), ("english-short", 6), ("chinese-short", 3), ("english-numbers", 7))


def draws(root, rows: np.ndarray, seed: int, count: int) -> np.ndarray:
    """`count` tokens drawn by `ras_sampling` from `rows`, [n, vocabulary], taken in turn.

    Every token enters the history. Every seventh time the likeliest token of the next row is put
    there too, so that repetitions come about, and every fifth time one id is masked, as it is
    before the minimal length.
    """
    checkout.add_to_path(Path(root))
    ras_sampling = import_module("cosyvoice.utils.common").ras_sampling
    rows = torch.from_numpy(np.ascontiguousarray(rows))
    likeliest = rows.argmax(dim=1).tolist()
    torch.manual_seed(seed)
    history, drawn = [], []
    for i in range(count):
        scores = rows[i % len(rows)].log_softmax(dim=-1)
        if i % 5 == 0:
            scores[MASKED] = -float("inf")
        token = ras_sampling(scores, history, 25)
        drawn.append(token)
        history = history[-20:] + [token]
        if i % 7 == 3:
            history.append(likeliest[(i + 1) % len(rows)])
    return np.array(drawn, np.int64)


def main() -> None:
    from safetensors.numpy import load_file, save_file

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the CosyVoice checkout")
    parser.add_argument("--golden", type=Path, required=True, help="the golden with the logits")
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    recorded = [load_file(args.golden / case / "tensors.safetensors") for case, _ in ROWS]
    rows = np.stack([r["llm.logits[0]"][row] for r, (_, row) in zip(recorded, ROWS, strict=True)])
    tokens = draws(args.root, rows, args.seed, args.draws)
    arrays = {"logits": rows, "draws": tokens.astype(np.uint16)}
    save_file(arrays, args.out, metadata={"seed": str(args.seed), "torch": torch.__version__})


if __name__ == "__main__":
    main()
