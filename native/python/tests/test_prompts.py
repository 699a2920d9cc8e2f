"""Prompts as files, file objects and arrays, and errors about them."""

import io
import unittest
import wave
from pathlib import Path

import common
import numpy
from common import PROMPT, TRANSCRIPT, zero_shot


def samples():
    """The prompt's samples, int16, and their rate."""
    with wave.open(PROMPT) as file:
        assert file.getnchannels() == 1 and file.getsampwidth() == 2
        frames = file.readframes(file.getnframes())
        return numpy.frombuffer(frames, dtype="<i2"), file.getframerate()


class Prompts(unittest.TestCase):
    def test_a_path_a_file_and_an_array_are_the_same_voice(self):
        expected = zero_shot()
        integers, rate = samples()
        floats = integers.astype(numpy.float32) / 32768
        with open(PROMPT, "rb") as file:
            prompts = {
                "a Path": Path(PROMPT),
                "a file": file,
                "the same file again": file,
                "bytes": io.BytesIO(Path(PROMPT).read_bytes()),
                "integers": (integers, rate),
                "gradio's order": (rate, integers),
                "floats": (floats, rate),
                "float64": (floats.astype(numpy.float64), rate),
                "a row": (floats[None, :], rate),
                "two channels": (numpy.stack([floats, floats], axis=1), rate),
            }
            for name, prompt in prompts.items():
                self.assertEqual(zero_shot(prompt=prompt).tobytes(), expected.tobytes(), name)

    def test_samples_without_a_rate_are_at_16_khz(self):
        integers, _ = samples()
        bare = zero_shot(prompt=integers[None, :])
        self.assertEqual(bare.tobytes(), zero_shot(prompt=(integers, 16000)).tobytes())

    @common.needs_torch
    def test_a_tensor_is_a_prompt_and_sound_is_a_tensor(self):
        torch = common.torch()
        integers, rate = samples()
        tensor = torch.from_numpy(integers.astype(numpy.float32) / 32768)[None, :]
        self.assertEqual(zero_shot(prompt=(tensor, rate)).tobytes(), zero_shot().tobytes())
        output = next(common.model().inference_zero_shot(common.TEXT, TRANSCRIPT, PROMPT))
        self.assertIsInstance(output["tts_speech"], torch.Tensor)


class Errors(unittest.TestCase):
    def assert_raises(self, kind, words, **request):
        with self.assertRaisesRegex(kind, words):
            zero_shot(**request)

    def test_they_name_what_is_wrong(self):
        self.assert_raises(FileNotFoundError, "nowhere.wav: there is no such file", prompt="nowhere.wav")
        self.assert_raises(ValueError, "the recording.*not a wav", prompt=io.BytesIO(b"hello, a text"))
        self.assert_raises(ValueError, "no speaker `nobody`", zero_shot_spk_id="nobody")
        self.assert_raises(ValueError, "streaming does not support speed 2", speed=2.0, stream=True)
        self.assert_raises(ValueError, "nothing to say", text="…")
        self.assert_raises(TypeError, "path, a binary file, an array.*not int", prompt=5)
        self.assert_raises(TypeError, "open it with mode 'rb'", prompt=io.StringIO("a"))
        self.assert_raises(ValueError, "not a finite number", prompt=numpy.full(99, numpy.nan))
        self.assert_raises(ValueError, r"not \[1, 2, 3\]", prompt=numpy.zeros((1, 2, 3)))
        self.assert_raises(ValueError, "at least 16000 Hz", prompt=(numpy.zeros(9000), 8000))

    def test_a_model_that_is_not_there_or_another_is_an_error(self):
        from cosyvoice_native import AutoModel

        if common.torch() is None:
            with self.assertRaisesRegex(FileNotFoundError, "no/such/model: there is no such folder"):
                AutoModel(model_dir="no/such/model")
        with self.assertRaisesRegex(ValueError, "no cosyvoice3.yaml"):
            AutoModel(model_dir=str(common.ROOT / "native"))
        with self.assertRaisesRegex(ValueError, "unknown device `tpu`"):
            AutoModel(model_dir=common.model_dir(), device="tpu")

    def test_they_have_the_commands_words(self):
        command = common.native(
            "synth", "--text", "Hello.", "--prompt-text", TRANSCRIPT, "--prompt-wav", "README.md"
        )
        words = command.stderr.decode().strip().removeprefix("native: ")
        with self.assertRaises(ValueError) as raised:
            zero_shot(prompt="README.md")
        self.assertEqual(str(raised.exception), words)


if __name__ == "__main__":
    unittest.main()
