"""Seeds, threads, Ctrl-C, and programs of the reference."""

import os
import signal
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import common
import numpy
from common import PROMPT, TEXT, TRANSCRIPT, said, set_all_random_seed, zero_shot
from cosyvoice_native import AutoModel, _native
from cosyvoice_native.sounds import recording


class Seeds(unittest.TestCase):
    def setUp(self):
        common.model()

    def test_a_seed_decides_and_without_one_the_generator_goes_on(self):
        first = zero_shot(5)
        second = said(common.model().inference_zero_shot(TEXT, TRANSCRIPT, PROMPT))
        self.assertNotEqual(first.tobytes(), second.tobytes())
        self.assertEqual(first.tobytes(), zero_shot(5).tobytes())
        third = said(common.model().inference_zero_shot(TEXT, TRANSCRIPT, PROMPT))
        self.assertEqual(second.tobytes(), third.tobytes())

    def test_loading_seeds_as_the_references_constructors_do(self):
        outputs = []
        for _ in range(2):
            model = AutoModel(model_dir=common.model_dir())
            outputs.append(said(model.inference_zero_shot(TEXT, TRANSCRIPT, PROMPT)).tobytes())
        self.assertEqual(*outputs)

    def test_a_seed_that_is_set_while_a_request_speaks_is_not_lost(self):
        expected = zero_shot(6)
        set_all_random_seed(5)
        outputs = common.model().inference_zero_shot(TEXT, TRANSCRIPT, PROMPT)
        next(outputs)
        set_all_random_seed(6)
        outputs.close()
        ours = said(common.model().inference_zero_shot(TEXT, TRANSCRIPT, PROMPT))
        self.assertEqual(ours.tobytes(), expected.tobytes())

    @common.needs_torch
    def test_torch_decides_and_goes_on_where_the_sampling_ends(self):
        torch = common.torch()
        torch.manual_seed(5)
        ours = said(common.model().inference_zero_shot(TEXT, TRANSCRIPT, PROMPT))
        self.assertEqual(ours.tobytes(), zero_shot(5).tobytes())
        self.assertEqual(torch.initial_seed(), 5)
        moved = torch.get_rng_state()
        torch.manual_seed(5)
        self.assertFalse(torch.equal(moved, torch.get_rng_state()))
        for _ in range(2000):
            torch.rand(1)
            if torch.equal(moved, torch.get_rng_state()):
                return
        self.fail("torch's generator is not where some number of draws would put it")


class Threads(unittest.TestCase):
    def speak(self, seed):
        engine = common.model()._engine
        speech = engine.speak(
            "zero-shot",
            engine.voice(recording(PROMPT)),
            _native.TorchRng(seed),
            text=TEXT,
            pieces=None,
            prompt=TRANSCRIPT,
            source=None,
            stream=seed % 2 == 1,
            fresh_hop=True,
            speed=1.0,
            text_frontend=True,
        )
        chunks = iter(speech.next_chunk, None)
        return numpy.concatenate([samples for samples, _ in chunks], axis=1).tobytes()

    def test_several_speak_with_one_model_and_each_says_what_it_says_alone(self):
        alone = [self.speak(seed) for seed in range(4)]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(self.speak, range(4)))
        self.assertEqual(together, alone)

    def test_others_go_on_while_the_engine_works(self):
        speaking = threading.Thread(target=zero_shot)
        counted = 0
        speaking.start()
        while speaking.is_alive():
            time.sleep(0.001)
            counted += 1
        # A held GIL lets this loop run a few times between two chunks.
        self.assertGreater(counted, 50)


class Interruption(unittest.TestCase):
    @unittest.skipIf(os.name == "nt", "SKIPPED: signals are Unix's")
    def test_ctrl_c_stops_the_work_at_once(self):
        program = f"""
import signal, sys
from cosyvoice_native import AutoModel
# A shell that runs tests in the background has them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
model = AutoModel(model_dir={common.model_dir()!r})
stream = sys.argv[1] == "stream"
print("loaded", flush=True)
try:
    for _ in model.inference_zero_shot({common.LONG!r}, {TRANSCRIPT!r}, {PROMPT!r}, stream=stream):
        pass
    print("said all")
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
        for how in ("stream", "whole"):
            with common.python("-c", program, how) as child:
                self.assertEqual(child.stdout.readline(), "loaded\n", child.stderr)
                time.sleep(0.5)
                child.send_signal(signal.SIGINT)
                asked = time.monotonic()
                out, err = child.communicate(timeout=60)
                self.assertEqual(out, "interrupted\n", err)
                self.assertLess(time.monotonic() - asked, 10)


class Programs(unittest.TestCase):
    def test_a_program_of_the_reference_runs_unmodified(self):
        with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
            file.write(
                "import sys\n"
                "from cosyvoice.cli.cosyvoice import AutoModel, CosyVoice2\n"
                "if __name__ == '__main__':\n"
                "    print(sys.argv[1:], AutoModel(model_dir=sys.argv[1]).sample_rate)\n"
                "    CosyVoice2('a')\n"
            )
            file.flush()
            with common.python("-m", "cosyvoice_native", file.name, common.model_dir(), "-x") as child:
                out, err = child.communicate(timeout=120)
        self.assertEqual(out, f"['{common.model_dir()}', '-x'] 24000\n", err)
        self.assertIn("CosyVoice2 is not run by cosyvoice_native", err)
        self.assertEqual(child.returncode, 1)

    def test_without_a_program_it_says_how_it_is_called(self):
        for arguments, status, words in [([], 1, "usage: "), (["none.py"], 1, "no such file")]:
            with common.python("-m", "cosyvoice_native", *arguments) as child:
                out, err = child.communicate(timeout=60)
            self.assertEqual(child.returncode, status)
            self.assertIn(words, out + err)


if __name__ == "__main__":
    unittest.main()
