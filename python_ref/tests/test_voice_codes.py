"""Codes and their synonyms, and the vocabulary's files. Needs numpy where there is one."""

import json
import sys
import tempfile
import unittest
from base64 import b64encode
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from voice import vocabulary

try:
    import numpy as np

    from voice.codes import CODES, FREE, NEVER, SILENT_TOKENS, TOKENS, Synonyms, code_of_token
except ImportError:
    np = None


@unittest.skipIf(np is None, "needs numpy")
class Codes(unittest.TestCase):
    def test_a_token_of_the_tokenizer_is_heard_as_its_code(self):
        codes = np.arange(CODES)
        np.testing.assert_array_equal(code_of_token(FREE + codes), codes)
        np.testing.assert_array_equal(Synonyms(silence=7).heard[FREE + codes], codes)

    def test_silence_is_said_with_silent_tokens_alone(self):
        synonyms = Synonyms(silence=200)
        self.assertEqual(np.flatnonzero(synonyms.said == 200).tolist(), list(SILENT_TOKENS))
        self.assertTrue((synonyms.heard[synonyms.said == NEVER] == 200).all())

    def test_every_token_is_counted_once(self):
        for silence in (1, 200):
            synonyms = Synonyms(silence)
            never = int((synonyms.said == NEVER).sum())
            self.assertEqual(int(synonyms.counts().sum()) + never, TOKENS)
            self.assertGreaterEqual(int(np.delete(synonyms.counts(), silence).min()), 24)

    def test_what_is_said_is_heard(self):
        synonyms = Synonyms(silence=31)
        said = synonyms.said != NEVER
        np.testing.assert_array_equal(synonyms.said[said], synonyms.heard[said])


class Vocabulary(unittest.TestCase):
    def test_merges_follow_from_the_ranks(self):
        # "ab" came before " a", so " ab" was made of " " and "ab".
        tokens = [b"a", b"b", b" ", b"ab", b" a", b" ab"]
        lines = (f"{b64encode(t).decode()} {rank}" for rank, t in enumerate(tokens))
        with tempfile.TemporaryDirectory() as folder:
            ranks, out = Path(folder, "ranks"), Path(folder, "out")
            ranks.write_text("\n".join(lines) + "\n")
            vocabulary.write(ranks, out)
            merges = (out / "merges.txt").read_text("utf-8")
            self.assertEqual(merges, "#version: 0.2\na b\nĠ a\nĠ ab\n")
            ids = json.loads((out / "vocab.json").read_text("utf-8"))
            self.assertEqual(ids, {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġa": 4, "Ġab": 5})

    def test_every_byte_has_a_letter_of_its_own(self):
        letters = vocabulary.byte_letters()
        self.assertEqual(len(set(letters)), 256)
        self.assertEqual(letters[0x20], "Ġ")


if __name__ == "__main__":
    unittest.main()
