"""How well the speaking model is understood, as the native engine says it: words, length, ends.

`make test-voice` brings what it needs: NATIVE, the program; MODEL, the model directory;
pocketsphinx, wetext, and espeak-ng's library from the system. Without them it is skipped.
"""

import ctypes.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
REPOSITORY = Path(__file__).resolve().parents[2]
NATIVE = os.environ.get("NATIVE")
MODEL = os.environ.get("MODEL")
missing = "NATIVE and MODEL are not set: run make test-voice"
if NATIVE and MODEL:
    try:
        import wave

        import numpy as np

        from voice.judge import Judge, edits
        from voice.normaliser import normalise
        from voice.sentences import sentences, words
        from voice.speech import Voice, speak

        missing = "" if ctypes.util.find_library("espeak-ng") else "needs libespeak-ng"
    except ImportError as error:
        missing = str(error)

#: A prompt's recording, its words, and the espeak-ng voice in which it was spoken. Training heard
#: both voices.
PROMPTS = (
    (
        REPOSITORY / "parity/fixture/assets/voice/prompt.wav",
        "Hello, my name is Alice and I live in London.",
        ("f1-50", "f1", 50, 160),
    ),
    (
        REPOSITORY / "golden/prompts/daniel.wav",
        "The train from Paris to Vienna leaves at 10:20.",
        ("Denis-50", "Denis", 50, 160),
    ),
)
ASSISTANT = "You are a helpful assistant.<|endofprompt|>"
#: Sentences that training never saw, drawn with a seed of their own.
SENTENCES, SEED = 48, 53
#: 5.8% of the 325 words are wrong here, with a standard error of 2 points: errors come in whole
#: sentences. One of them that another processor's rounding loses, up to 12 words, must not fail.
WORD_ERRORS = 0.10
#: espeak-ng's own: where the judge mishears more, it is not fit to judge.
OWN_WORD_ERRORS = 0.06
#: The silence that a recording of the corpus has around its speech, in seconds: its mean.
SILENCE = 0.22
#: The mean as a multiple of espeak-ng's: it is 1.03, and a sixth more without the repetition rule.
LENGTH = (0.95, 1.12)
#: All of them stop by themselves; two that do not are no proof of a mistake.
STOPPED = 46


def said(text: str, prompt: tuple, seed: int, folder: Path) -> tuple:
    """The sound of `text`, its rate, and why its segments ended."""
    recording, transcript, _ = prompt
    out = folder / "said.wav"
    command = [
        NATIVE, "synth", "--model-dir", MODEL, "--text", text, "--prompt-wav", recording,
        "--prompt-text", ASSISTANT + transcript, "--seed", str(seed), "--json", "-o", out,
        "--sample-format", "int16",
    ]  # fmt: skip
    done = subprocess.run(map(str, command), capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode != 0:
        raise AssertionError(f"native cannot say {text!r}: {done.stderr}")
    with wave.open(str(out), "rb") as sound:
        rate, frames = sound.getframerate(), sound.readframes(sound.getnframes())
    samples = np.frombuffer(frames, "<i2").astype(np.float32) / 32768
    return samples, rate, [segment["stop"] for segment in json.loads(done.stdout)["segments"]]


@unittest.skipIf(missing, missing)
class Words(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        judge = Judge("english")
        cls.errors, cls.own_errors, cls.words, cls.ratios, cls.stopped = 0, 0, 0, [], 0
        cls.misheard = []
        with tempfile.TemporaryDirectory() as folder:
            texts = sentences(SENTENCES, SEED, held_out=True, language="english")
            for number, sentence in enumerate(texts):
                prompt = PROMPTS[number % len(PROMPTS)]
                samples, rate, stops = said(sentence.text, prompt, number, Path(folder))
                text = normalise(sentence.text)
                own = speak(text, "english", Voice(*prompt[2]))
                wanted, heard = words(text), judge.recognise(samples, rate)
                wrong = edits(wanted, heard)
                if wrong:
                    cls.misheard.append(f"{text} -> {' '.join(heard)}")
                cls.errors += wrong
                cls.own_errors += edits(wanted, judge.recognise(own.samples, own.sample_rate))
                cls.words += len(wanted)
                cls.stopped += all(stop == "mark" for stop in stops)
                seconds = len(own.samples) / own.sample_rate + SILENCE
                cls.ratios.append(len(samples) / rate / seconds)
        print(
            f"{len(texts)} sentences, {cls.words} words: {cls.errors} wrong "
            f"({cls.errors / cls.words:.1%}), of espeak-ng's own {cls.own_errors}; length "
            f"{mean(cls.ratios):.3f} of espeak-ng's; {cls.stopped} stopped by themselves",
            file=sys.stderr,
        )

    def test_the_judge_understands_espeak_itself(self):
        self.assertLessEqual(self.own_errors / self.words, OWN_WORD_ERRORS)

    def test_words_are_understood(self):
        self.assertLessEqual(self.errors / self.words, WORD_ERRORS, "\n".join(self.misheard))

    def test_speech_is_as_long_as_espeaks(self):
        shortest, longest = LENGTH
        self.assertGreaterEqual(mean(self.ratios), shortest)
        self.assertLessEqual(mean(self.ratios), longest)

    def test_speech_ends_by_itself(self):
        self.assertGreaterEqual(self.stopped, STOPPED)


if __name__ == "__main__":
    unittest.main()
