"""Say what the checkout's own example says, and write down what that is.

Texts and prompts are read out of the checkout's `example.py`, function `cosyvoice3_example`, so
that they are the checkout's and stay there. Every request gets a seed, its number, which the
example itself does not have: so another engine can draw the same tokens.
"""

import argparse
import ast
import json
import sys
from pathlib import Path

from . import load

FUNCTION = "cosyvoice3_example"

#: The fields of a case that the positional arguments of the reference's methods are.
ARGUMENTS = {
    "inference_zero_shot": ("zero-shot", ("text", "prompt_text", "prompt_wav")),
    "inference_cross_lingual": ("cross-lingual", ("text", "prompt_wav")),
    "inference_instruct2": ("instruct", ("text", "instruct", "prompt_wav")),
    "inference_vc": ("vc", ("source_wav", "prompt_wav")),
}


def requests(root: Path) -> list:
    """The requests of the example as cases, in its order."""
    path = Path(root).resolve() / "example.py"
    module = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    functions = [n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == FUNCTION]
    if not functions:
        raise SystemExit(f"{path} has no function {FUNCTION}: is this checkout too old?")
    calls = [n for n in ast.walk(functions[0]) if isinstance(n, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    cases = []
    for call in calls:
        method = call.func.attr if isinstance(call.func, ast.Attribute) else None
        if method not in ARGUMENTS:
            continue
        mode, names = ARGUMENTS[method]
        values = [a.value for a in call.args if isinstance(a, ast.Constant)]
        if len(values) != len(names) or not all(isinstance(v, str) for v in values):
            print(f"{path}:{call.lineno}: left out, its text is made while it runs", file=sys.stderr)
            continue
        case = {"name": f"native_voice_clone_{len(cases)}", "mode": mode, "seed": len(cases)}
        for name, value in zip(names, values, strict=True):
            case[name] = str((path.parent / value).resolve()) if name.endswith("_wav") else value
        cases.append(case)
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(prog="cosyvoice_reference.example", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the CosyVoice checkout")
    parser.add_argument("--model", type=Path, required=True, help="the model directory")
    parser.add_argument("--out", type=Path, required=True, help="folder for the sounds")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    args = parser.parse_args()
    import soundfile

    cases = requests(args.root)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1))
    reference = load(args.root, args.model, args.threads)
    for i, case in enumerate(cases):
        for j, speech in enumerate(reference.speak(case)):
            path = args.out / f"voice_clone_{i}_{j}.wav"
            soundfile.write(path, speech.numpy()[0], 24000, subtype="FLOAT")
            print(f"{path}: {speech.shape[1] / 24000:.2f} s", flush=True)


if __name__ == "__main__":
    main()
