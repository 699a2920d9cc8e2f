"""Runs cases in this Python and writes a recording without a seal, for `parity doctor`.

    python -m cosyvoice_reference.examine --root CosyVoice --model MODEL --cases FILE --out DIR

Whatever goes wrong is part of the answer: `failed.json` has, for each case that raised something,
what it was, and under an empty name what kept the reference from being loaded at all. A line of
standard output says which case comes next.
"""

import argparse
import json
import sys
import traceback
from pathlib import Path

import numpy as np

from .__main__ import read_cases

SAMPLE_RATE = 24000
LAST_LINES = 3


def write_case(folder: Path, result) -> None:
    import soundfile
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    arrays = dict(result.arrays)
    soundfile.write(folder / "audio.wav", arrays.pop("speech"), SAMPLE_RATE, subtype="FLOAT")
    # A golden keeps few rows of the logits, and tokens are judged in their place.
    arrays = {k: np.ascontiguousarray(a) for k, a in arrays.items() if "llm.logits" not in k}
    save_file(arrays, folder / "tensors.safetensors")
    (folder / "text.json").write_text(json.dumps(result.text, ensure_ascii=False))


def said(error: BaseException) -> str:
    """The exception, and where it was raised."""
    lines = "".join(traceback.format_exception(error)).strip().splitlines()
    return "\n".join(line.strip() for line in lines[-LAST_LINES:])


def examine(root: Path, model: Path, cases: list, out: Path) -> dict:
    """Run and write the cases; what failed, by case."""
    from . import load

    failed = {}
    reference = load(root, model)
    for case in cases:
        print(case["name"], flush=True)
        try:
            write_case(out / case["name"], reference.run(case, noise=False))
        except Exception as error:
            failed[case["name"]] = said(error)
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the CosyVoice checkout")
    parser.add_argument("--model", type=Path, required=True, help="the model directory")
    parser.add_argument("--cases", type=Path, required=True, help="cases file, .toml")
    parser.add_argument("--case", action="append", required=True, help="a case to run (repeatable)")
    parser.add_argument("--out", type=Path, required=True, help="directory for the recording")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    chosen = [case for case in read_cases(args.cases) if case["name"] in args.case]
    manifest = {
        "format": 1,
        "engine": {"name": "this-python", "version": sys.version.split()[0]},
        "device": "cpu",
        "precision": "f32",
        "model": {},
    }
    try:
        from . import checkout

        manifest["libraries"] = checkout.libraries()
        manifest["engine"]["commit"] = checkout.commit(args.root)
        failed = examine(args.root, args.model, chosen, args.out)
    except Exception as error:
        failed = {"": said(error)}
    (args.out / "failed.json").write_text(json.dumps(failed))
    (args.out / "manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    main()
