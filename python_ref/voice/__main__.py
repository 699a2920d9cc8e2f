"""Makes the speaking model, step by step: `python -m voice --help`."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from cosyvoice_reference.checkout import add_to_path

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Step:
    """`call` names a module's function, which makes the file `makes` in the working folder."""

    name: str
    makes: str
    call: str
    arguments: tuple = ()

    def run(self, folder: Path) -> None:
        module, function = self.call.split(".")
        # The modules import the reference, so only once it is on the path.
        make: Callable = getattr(import_module(f"voice.{module}"), function)
        make(folder, *self.arguments)


STEPS = (
    Step("vocabulary", "vocabulary/merges.txt", "texts.write_vocabulary"),
    *(Step(f"corpus-{k}", f"corpus-{k}.pt", "corpus.make_shard", (k,)) for k in (0, 1)),
    Step("test", "test.pt", "corpus.make_test"),
    Step("tokenizer", "speech_tokenizer_v3.onnx", "tokenizer.train"),
    Step("speaker", "campplus.onnx", "speaker.train"),
    *(
        Step(f"tokens-{part}", f"tokens-{part}.pt", "tokens.make", (part,))
        for part in ("0", "1", "test", "further-0", "further-1")
    ),
    Step("llm", "llm.pt", "language_model.train"),
    Step("flow", "flow.pt", "flow.train"),
    Step("f0", "f0.pt", "vocoder.train_f0"),
    Step("hift", "hift.pt", "vocoder.train"),
    Step("prompts", "prompts/default.wav", "prompts.make"),
    Step("compact", "compact/model.json", "compact.write"),
    Step("model", "model/hift.pt", "export.make"),
    *(
        Step(f"evaluate-{group}", f"figures-{group}.json", "evaluate.make", (group,))
        for group in ("known", "unseen")
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m voice",
        description="Makes the speaking model: speech by espeak-ng, then every network. A step "
        "whose file is there is left out; one that was interrupted goes on.",
        epilog="steps, in order: " + ", ".join(step.name for step in STEPS),
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="only these (default: all)")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "out" / "voice")
    parser.add_argument("--cosyvoice-root", type=Path, required=True, metavar="DIR")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    known = {step.name: step for step in STEPS}
    if unknown := set(args.steps) - set(known):
        parser.error(f"no step is called {', '.join(sorted(unknown))}")
    add_to_path(args.cosyvoice_root)
    torch.set_num_threads(args.threads)
    args.folder.mkdir(parents=True, exist_ok=True)
    for step in [known[name] for name in args.steps] or STEPS:
        if (args.folder / step.makes).exists():
            print(f"{step.name}: {step.makes} is there", flush=True)
        else:
            step.run(args.folder)


if __name__ == "__main__":
    main()
