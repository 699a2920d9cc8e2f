"""Writes a recording for `parity` with numpy and safetensors alone: what another port hands in.

    python write_recording.py GOLDEN OUT

Your engine goes where `speak` is. Here it reads what was recorded for the golden and changes one
token, so that there is something to find. What a port does not have, it leaves out: a case may have
tokens only, or a sound only. parity/docs/formats/recording.md says what every name means.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


def speak(case, golden):
    """Your engine: from a case's inputs to what it computed, by stage."""
    recorded = load_file(golden / case["name"] / "tensors.safetensors")
    tokens = recorded["llm.tokens[0]"].astype(np.int32)  # any integers of 16 to 64 bits
    tokens[-1] = (tokens[-1] + 1) % 6561
    return {"llm.tokens[0]": tokens, "prompt.mel": recorded["prompt.mel"]}, np.zeros(24000, np.float32)


def wav(samples, rate=24000):
    """A mono float32 file. 16-bit integers will do as well."""
    data = samples.astype("<f4").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, rate, 4 * rate, 4, 32)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def main(golden, out, names=("english-short", "chinese-short")):
    for name in names:
        recorded = json.loads((golden / name / "case.json").read_text())
        tensors, samples = speak(recorded["case"], golden)
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / name / "case.json").write_text(json.dumps(recorded))  # the inputs that were used
        save_file(tensors, out / name / "tensors.safetensors")
        (out / name / "audio.wav").write_bytes(wav(samples))
    manifest = json.loads((golden / "manifest.json").read_text())
    ours = {
        "format": 1,
        "engine": {"name": "example-port", "version": "0.1", "command": "./example-port --case {case}"},
        "device": "cpu",
        "precision": "f32",
        # The files that the weights came from; `parity check OUT --model-dir DIR` writes them too.
        "model": manifest["model"],
        "lm_weights": "llm.pt",
    }
    (out / "manifest.json").write_text(json.dumps(ours, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
