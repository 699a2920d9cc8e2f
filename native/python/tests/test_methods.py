"""The methods are the reference's: what they take, and when they work."""

import inspect
import unittest

import common
from common import PROMPT, SOURCE, TEXT, TRANSCRIPT, said, set_all_random_seed, zero_shot
from cosyvoice_native import AutoModel, CosyVoice3

#: `inspect.signature` of the reference's methods (CosyVoice ace7c47, cosyvoice/cli/cosyvoice.py).
REFERENCE = {
    "__init__": "(self, model_dir, load_trt=False, load_vllm=False, fp16=False, trt_concurrent=1)",
    "list_available_spks": "(self)",
    "add_zero_shot_spk": "(self, prompt_text, prompt_wav, zero_shot_spk_id)",
    "save_spkinfo": "(self)",
    "inference_zero_shot": "(self, tts_text, prompt_text, prompt_wav, zero_shot_spk_id='', "
    "stream=False, speed=1.0, text_frontend=True)",
    "inference_cross_lingual": "(self, tts_text, prompt_wav, zero_shot_spk_id='', stream=False, "
    "speed=1.0, text_frontend=True)",
    "inference_instruct2": "(self, tts_text, instruct_text, prompt_wav, zero_shot_spk_id='', "
    "stream=False, speed=1.0, text_frontend=True)",
    "inference_vc": "(self, source_wav, prompt_wav, stream=False, speed=1.0)",
}

INSTRUCTION = "You are a helpful assistant. Speak softly.<|endofprompt|>"


class Methods(unittest.TestCase):
    def test_they_take_the_references_arguments_with_its_defaults(self):
        for name, expected in REFERENCE.items():
            signature = inspect.signature(getattr(CosyVoice3, name))
            kept = [
                parameter.replace(annotation=inspect.Parameter.empty)
                for parameter in signature.parameters.values()
                if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
            ]
            self.assertEqual(str(inspect.Signature(kept)), expected, name)

    def test_a_model_is_loaded_by_its_folder_and_tells_its_rate(self):
        self.assertIsInstance(common.model(), CosyVoice3)
        self.assertEqual(common.model().sample_rate, 24000)
        with self.assertRaises(TypeError):
            AutoModel()

    def test_they_work_when_the_first_piece_is_asked_for(self):
        outputs = common.model().inference_zero_shot(TEXT, TRANSCRIPT, "missing.wav")
        self.assertTrue(inspect.isgenerator(outputs))
        with self.assertRaises(FileNotFoundError):
            next(outputs)

    def test_a_long_text_comes_segment_by_segment(self):
        set_all_random_seed(1)
        outputs = common.model().inference_zero_shot(common.LONG, TRANSCRIPT, PROMPT)
        self.assertGreater(len(next(outputs)["tts_speech"][0]), 24000)
        outputs.close()

    def test_every_mode_says_what_the_command_says_at_the_same_seed(self):
        marked = "You are a helpful assistant.<|endofprompt|>" + TEXT
        model = common.model()
        modes = [
            (
                model.inference_zero_shot(TEXT, TRANSCRIPT, PROMPT, speed=1.25),
                ["--prompt-text", TRANSCRIPT, "--text", TEXT, "--speed", "1.25"],
            ),
            (
                model.inference_cross_lingual(marked, PROMPT, stream=True),
                ["--mode", "cross-lingual", "--text", marked, "--stream"],
            ),
            (
                model.inference_instruct2("It costs $5.20.", INSTRUCTION, PROMPT),
                ["--mode", "instruct", "--instruct", INSTRUCTION, "--text", "It costs $5.20."],
            ),
            (
                model.inference_vc(SOURCE, PROMPT),
                ["--mode", "vc", "--source-wav", SOURCE],
            ),
        ]
        for outputs, arguments in modes:
            set_all_random_seed(7)
            ours = said(outputs)
            command = common.native(
                "synth", "--prompt-wav", PROMPT, "--seed", "7", "-o", "-", *arguments
            )
            self.assertEqual(command.returncode, 0, command.stderr)
            self.assertEqual(ours.tobytes(), command.stdout, arguments)

    def test_a_text_is_left_as_it_is_without_the_text_frontend(self):
        outputs = [zero_shot(text="It costs $5.20.", text_frontend=on) for on in (True, False)]
        self.assertNotEqual(len(outputs[0]), len(outputs[1]))


class Pieces(unittest.TestCase):
    def test_a_text_may_come_from_a_generator_and_is_taken_as_it_is_spoken(self):
        taken = []

        def pieces():
            for piece in ["Hello there, ", "this is ", "a short test."]:
                taken.append(piece)
                yield piece

        outputs = common.model().inference_zero_shot(pieces(), TRANSCRIPT, PROMPT)
        self.assertEqual(taken, [])
        set_all_random_seed(4)
        ours = said(outputs)
        self.assertEqual(len(taken), 3)
        again = zero_shot(4, text=["Hello there, ", "this is ", "a short test."])
        self.assertEqual(ours.tobytes(), again.tobytes())

    def test_what_a_generator_raises_comes_to_whoever_waits_for_the_sound(self):
        def broken():
            yield "Hello there, "
            raise ConnectionError("the chat model is gone")

        for stream in (False, True):
            with self.assertRaisesRegex(ConnectionError, "the chat model is gone"):
                zero_shot(text=broken(), stream=stream)

    def test_a_piece_that_is_not_a_text_is_a_type_error(self):
        with self.assertRaisesRegex(TypeError, "a piece of the text is 5, not a str"):
            zero_shot(text=iter([5]))


class Speakers(unittest.TestCase):
    def test_a_saved_speaker_says_what_the_recording_says_and_is_found_again(self):
        folder = common.own_copy(self)
        model = AutoModel(model_dir=folder)
        self.assertEqual(model.list_available_spks(), [])
        self.assertIs(model.add_zero_shot_spk(TRANSCRIPT, PROMPT, "fox"), True)
        self.assertEqual(model.list_available_spks(), ["fox"])
        set_all_random_seed(3)
        ours = said(model.inference_zero_shot(TEXT, "", "", zero_shot_spk_id="fox"))
        self.assertEqual(ours.tobytes(), zero_shot(3).tobytes())
        model.add_zero_shot_spk(TRANSCRIPT, PROMPT, "a later one")
        model.save_spkinfo()
        for known in (model, AutoModel(model_dir=folder)):
            self.assertEqual(known.list_available_spks(), ["fox", "a later one"])


if __name__ == "__main__":
    unittest.main()
