"""Draws the speech tokens of cases with many seeds, for `parity sample --engine python`.

    python -m cosyvoice_reference.samples --root CosyVoice --model MODEL --cases FILE \
        --case NAME … --first-seed 1000000 --seeds 200 --out DIR

Only the language model runs: a case is prepared once, and then its tokens are drawn seed by seed
from what the language model was given. A line of standard output says which case comes next.
"""

import argparse
import inspect
import json
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from . import checkout, load
from .__main__ import read_cases
from .examine import said

#: In place of a mark, where the longest speech for the text was reached.
NO_MARK = 0xFFFF
#: Ranks from here on are one class.
LARGEST_RANK = 0xFF


def draws(reference, case: dict, seeds: range) -> dict:
    """What `case` says with each of `seeds`.

    `tokens`, `ranks` (of each token among all, by probability, 0 for the likeliest, ties by id) and
    `stops` (the mark that ended the tokens, or `NO_MARK`) have an item a seed; `bounds` are the
    smallest and the largest length.
    """
    llm = reference.engine.model.llm
    set_seed = import_module("cosyvoice.utils.common").set_all_random_seed
    inference, prompts = llm.inference, []

    def noted(**inputs):
        prompts.append({k: _copy(v) for k, v in inputs.items()})
        return inference(**inputs)

    llm.inference = noted
    try:
        first = reference.run({**case, "seed": seeds[0]}, noise=False, tokens_only=True).arrays
    finally:
        del llm.inference
    if len(prompts) != 1:
        raise ValueError(f"it has {len(prompts)} segments, and samples are of one: split the text")
    (prompt,) = prompts
    drawn = {"tokens": [], "ranks": [], "stops": []}
    sampling_ids, marks = llm.sampling_ids, llm.speech_token_size

    def ranked(scores, decoded, sampling, ignore_eos=True):
        probs = scores.clone()
        if ignore_eos:
            probs[marks] = -float("inf")
        probs = probs.softmax(dim=0)
        token = sampling_ids(scores, decoded, sampling, ignore_eos)
        likelier = (probs > probs[token]).sum() + (probs[:token] == probs[token]).sum()
        if token < marks:
            drawn["ranks"][-1].append(min(int(likelier), LARGEST_RANK))
        else:
            drawn["stops"][-1] = token
        return token

    llm.sampling_ids = ranked
    try:
        for seed in seeds:
            drawn["ranks"].append([])
            drawn["stops"].append(NO_MARK)
            set_seed(seed)
            tokens = llm.inference(**{k: _copy(v) for k, v in prompt.items()})
            drawn["tokens"].append([int(token) for token in tokens])
    finally:
        del llm.sampling_ids
    if drawn["tokens"][0] != first["llm.tokens[0]"].tolist():
        raise AssertionError("the tokens are not those of a whole synthesis with the same seed")
    ratios = inspect.signature(inference).parameters
    ids = prompt["text"].shape[1]
    names = ("min_token_text_ratio", "max_token_text_ratio")
    drawn["bounds"] = [int(ids * ratios[name].default) for name in names]
    return drawn


def _copy(value):
    """The reference adds to the lengths that it is given."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def write(folder: Path, all_draws: list) -> None:
    """The draws of all cases, as parity/docs/formats/samples.md says."""
    from safetensors.numpy import save_file

    def flat(name):
        return [x for draw in all_draws for drawn in draw[name] for x in drawn]

    arrays = {
        "tokens": np.array(flat("tokens"), np.uint16),
        "ranks": np.array(flat("ranks"), np.uint8),
        "lengths": np.array([[len(t) for t in draw["tokens"]] for draw in all_draws], np.uint32),
        "stops": np.array([draw["stops"] for draw in all_draws], np.uint16),
        "bounds": np.array([draw["bounds"] for draw in all_draws], np.uint32),
    }
    save_file(arrays, folder / "draws.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the CosyVoice checkout")
    parser.add_argument("--model", type=Path, required=True, help="the model directory")
    parser.add_argument("--cases", type=Path, required=True, help="cases file, .toml")
    parser.add_argument("--case", action="append", required=True, help="a case (repeatable)")
    parser.add_argument("--first-seed", type=int, required=True)
    parser.add_argument("--seeds", type=int, required=True, help="seeds for each case")
    parser.add_argument("--lm-weights", default="llm.pt", help="llm.pt or llm.rl.pt")
    parser.add_argument("--out", type=Path, required=True, help="directory for the samples")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cases = {case["name"]: case for case in read_cases(args.cases)}
    reference = load(args.root, args.model, lm_weights=args.lm_weights)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    all_draws = []
    for name in args.case:
        print(name, flush=True)
        try:
            all_draws.append(draws(reference, cases[name], seeds))
        except Exception as error:
            raise SystemExit(f"case {name}: {said(error)}") from error
    write(args.out, all_draws)
    (args.out / "provenance.json").write_text(json.dumps(reference.provenance()))


if __name__ == "__main__":
    main()
