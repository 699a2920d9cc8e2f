"""Run cases of a cases file by hand and save what the stages computed."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from . import load


def read_cases(path: Path) -> list:
    """The cases of golden/cases.toml or of a JSON list, their paths made absolute."""
    if path.suffix == ".json":
        cases = json.loads(path.read_text())
    else:
        import tomllib

        cases = tomllib.loads(path.read_text())["case"]
    for case in cases:
        for key in ("prompt_wav", "source_wav"):
            if key in case:
                case[key] = str((path.parent / case[key]).resolve())
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(prog="cosyvoice_reference", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the CosyVoice checkout")
    parser.add_argument("--model", type=Path, required=True, help="the model directory")
    parser.add_argument("--cases", type=Path, required=True, help="cases file, .toml or .json")
    parser.add_argument("--case", action="append", help="only the case of this name (repeatable)")
    parser.add_argument("--out", type=Path, help="directory for NAME.npz and NAME.json")
    parser.add_argument("--lm-weights", default="llm.pt", help="llm.pt or llm.rl.pt")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--no-noise", action="store_true", help="leave float64 out")
    parser.add_argument(
        "--layers", default="", help="networks whose layers to record: llm,flow,vocoder"
    )
    args = parser.parse_args()
    cases = [c for c in read_cases(args.cases) if not args.case or c["name"] in args.case]
    if not cases:
        parser.error(f"{args.cases} has no such case")
    reference = load(args.root, args.model, args.threads, args.lm_weights)
    for case in cases:
        result = reference.run(
            case,
            noise=not args.no_noise,
            tokens_only=case.get("keep") == "tokens",
            layers_of=tuple(name for name in args.layers.split(",") if name),
        )
        print(f"{case['name']}: {result.seconds['total']:.2f} s", file=sys.stderr)
        for name, array in result.arrays.items():
            noise = result.noise.get(name)
            error = f"  {noise['nmse_db']:8.1f} dB  max {noise['max_abs']:.2e}" if noise else ""
            print(f"  {name:26} {array.dtype!s:8} {list(array.shape)!s:16}{error}")
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            np.savez(args.out / f"{case['name']}.npz", **result.arrays)
            about = {
                "text": result.text,
                "noise": result.noise,
                "seconds": result.seconds,
                "provenance": reference.provenance(),
            }
            path = args.out / f"{case['name']}.json"
            path.write_text(json.dumps(about, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
