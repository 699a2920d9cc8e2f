#!/usr/bin/env python3
"""Write many short cases, to try a scheduler with: python3 many_cases.py 2000 --out out/many

The same number gives the same cases. Each keeps its tokens only, and needs no more than the recordings
of this repository, which are copied beside the file of cases.
"""

import argparse
import random
import shutil
from pathlib import Path

SUBJECTS = ["the ferry", "my sister", "a grey cat", "the baker", "our train", "nobody", "the tide"]
VERBS = ["waits", "sings", "turns back", "comes home", "falls asleep", "leaves", "begins again"]
PLACES = ["by the harbour", "in the rain", "at noon", "after 5 minutes", "without a word", "on May 3rd"]
CHINESE = ["今天天气很好。", "请把门关上。", "火车三点钟到站。", "我们明天再见。"]

STORY = "You are a helpful assistant.<|endofprompt|>Every good story has a quiet beginning."
INSTRUCTION = "You are a helpful assistant. 请说得快一点。<|endofprompt|>"
PLAIN = "You are a helpful assistant.<|endofprompt|>"

VOICES = ["story_44k_stereo.wav", "park_48k_24bit.wav", "fox_22k.wav"]


def sentence(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return rng.choice(CHINESE)
    words = " ".join([rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(PLACES)])
    return words[0].upper() + words[1:] + "."


def case(number: int) -> str:
    rng = random.Random(number)
    # Most texts are short and some are long, as texts are.
    text = " ".join(sentence(rng) for _ in range(min(6, 1 + int(rng.expovariate(0.8)))))
    mode = rng.choices(["zero-shot", "cross-lingual", "instruct"], [3, 1, 1])[0]
    lines = ["[[case]]", f'name = "many-{number:05}"', f'mode = "{mode}"']
    if mode == "cross-lingual":
        text = PLAIN + text
    lines.append(f'text = "{text}"')
    wav = rng.choice(VOICES)
    if mode == "zero-shot":
        wav = VOICES[0]
        lines.append(f'prompt_text = "{STORY}"')
    elif mode == "instruct":
        lines.append(f'instruct = "{INSTRUCTION}"')
    lines += [f'prompt_wav = "prompts/{wav}"', f"seed = {rng.randrange(10_000)}", 'keep = "tokens"']
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("count", type=int, help="how many")
    parser.add_argument("--out", type=Path, default=Path("out/many"), help="folder for cases.toml")
    parser.add_argument("--prompts", type=Path, default=Path("golden/prompts"), help="the recordings")
    args = parser.parse_args()
    (args.out / "prompts").mkdir(parents=True, exist_ok=True)
    for wav in VOICES:
        shutil.copy(args.prompts / wav, args.out / "prompts" / wav)
    cases = "\n".join(case(number) for number in range(1, args.count + 1))
    (args.out / "cases.toml").write_text(cases, encoding="utf-8")
    print(f"{args.out / 'cases.toml'}: {args.count} cases")


if __name__ == "__main__":
    main()
