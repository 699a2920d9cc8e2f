"""espeak-ng's speech. Needs numpy and the system's libespeak-ng, and is skipped without."""

import ctypes.util
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    from voice import speech
except ImportError:
    speech = None


@unittest.skipIf(speech is None, "needs numpy")
@unittest.skipIf(ctypes.util.find_library("espeak-ng") is None, "needs libespeak-ng")
class Speech(unittest.TestCase):
    def setUp(self):
        self.voice = speech.Voice("f1-50", "f1", 50, 160)

    def test_a_text_sounds_the_same_whatever_was_said_before(self):
        first = speech.speak("The time is nine forty.", "english", self.voice)
        speech.speak("Hello.", "english", speech.Voice("m3-50", "m3", 50, 160))
        again = speech.speak("The time is nine forty.", "english", self.voice)
        self.assertEqual(first.samples.tobytes(), again.samples.tobytes())
        self.assertEqual(first.phones, again.phones)

    def test_a_tempo_changes_the_length(self):
        usual, slow, fast = (
            len(speech.speak("We will meet on Friday.", "english", self.voice, tempo).samples)
            for tempo in (1.0, 0.7, 1.5)
        )
        self.assertLess(fast, 0.85 * usual)
        self.assertGreater(slow, 1.2 * usual)

    def test_phones_come_in_order_and_end_with_the_sound(self):
        said = speech.speak("Hello, Alice.", "english", self.voice)
        times = [seconds for seconds, _ in said.phones]
        self.assertEqual(times, sorted(times))
        self.assertAlmostEqual(times[-1], len(said.samples) / said.sample_rate, delta=0.02)

    def test_a_voice_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(LookupError, "en-us\\+nobody"):
            speech.speak("Hello.", "english", speech.Voice("nobody", "nobody", 50, 160))


if __name__ == "__main__":
    unittest.main()
