"""The speaking model's whole path, hardly trained: every step, and the reference that loads it.

Needs the reference's environment with the packages of `requirements-voice.txt`, espeak-ng's
library, the vocabulary of `make setup`, and COSYVOICE_ROOT; it is skipped without.
"""

import contextlib
import io
import os
import sys
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
ROOT = os.environ.get("COSYVOICE_ROOT")
missing = "COSYVOICE_ROOT is not set"
if ROOT:
    try:
        from cosyvoice_reference.checkout import add_to_path

        add_to_path(Path(ROOT))
        import torch

        from voice import (
            compact,
            corpus,
            evaluate,
            export,
            flow,
            language_model,
            speaker,
            texts,
            tokenizer,
            tokens,
            vocoder,
        )
        from voice.codes import CODES, NEVER, SILENT_TOKENS, Synonyms

        missing = "" if texts.RANKS.exists() else "make setup has not been run"
    except (ImportError, OSError) as error:
        missing = str(error)


def few(steps: int, module, name: str = "SCHEDULE"):
    """The module's schedule, cut short."""
    return mock.patch.object(
        module, name, replace(getattr(module, name), steps=steps, report=steps)
    )


@unittest.skipIf(missing, missing)
class Model(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.folder = Path(cls.stack.enter_context(tempfile.TemporaryDirectory()))
        enter = cls.stack.enter_context
        enter(contextlib.redirect_stdout(io.StringIO()))
        enter(mock.patch.object(corpus, "SENTENCES", 24))
        enter(mock.patch.object(tokenizer, "HELD_OUT", 4))
        enter(mock.patch.object(corpus, "TEST_SENTENCES", 20))
        enter(mock.patch.object(tokens, "SENTENCES", 24))
        for module in (tokenizer, speaker, language_model, flow, vocoder):
            enter(few(2, module))
        enter(few(2, vocoder, "F0_SCHEDULE"))
        torch.set_num_threads(2)
        texts.write_vocabulary(cls.folder)
        for shard in range(corpus.SHARDS):
            corpus.make_shard(cls.folder, shard)
        corpus.make_test(cls.folder)
        tokenizer.train(cls.folder)
        speaker.train(cls.folder)
        for part in ("0", "1", "test", "further-0", "further-1"):
            tokens.make(cls.folder, part)
        language_model.train(cls.folder)
        flow.train(cls.folder)
        vocoder.train_f0(cls.folder)
        vocoder.train(cls.folder)
        compact.write(cls.folder)
        export.make(cls.folder)

    def test_the_unmodified_reference_speaks_with_it(self):
        for group in ("known", "unseen"):
            evaluate.make(self.folder, group, count=2)
            self.assertTrue((self.folder / f"figures-{group}.json").exists())

    def test_used_rows_are_what_was_trained(self):
        state = torch.load(self.folder / "model" / "llm.pt")
        trained = compact.read(self.folder / "compact", "llm")
        ids = torch.tensor(language_model.about(self.folder)["text_ids"])
        name = export.TEXT_EMBEDDING
        self.assertTrue(torch.equal(state[name][ids], trained[name]))
        self.assertEqual(len(state[name]), 151_936)

    def test_the_full_softmax_is_the_distribution_over_codes(self):
        about = language_model.about(self.folder)
        synonyms = Synonyms(about["silence"])
        state = torch.load(self.folder / "model" / "llm.pt")
        trained = compact.read(self.folder / "compact", "llm")["llm_decoder.weight"]
        hidden = torch.randn(trained.shape[1])
        full = (state["llm_decoder.weight"] @ hidden).double()
        full[:6561][torch.from_numpy(synonyms.said == NEVER)] = -torch.inf
        full = full.softmax(0)
        counts = torch.from_numpy(synonyms.counts())
        compacted = (trained @ hidden).double()
        compacted[:CODES] += counts.log()
        compacted = compacted.softmax(0)
        of_silence = full[list(SILENT_TOKENS)].sum()
        torch.testing.assert_close(of_silence, compacted[synonyms.silence], rtol=1e-5, atol=1e-9)
        torch.testing.assert_close(full[6561:], compacted[CODES:], rtol=1e-5, atol=1e-9)

    def test_an_export_is_the_same_bytes_again(self):
        again = self.folder / "again"
        export.write(self.folder / "compact", again)
        for name in ("llm.pt", "flow.pt", "hift.pt", "cosyvoice3.yaml"):
            first, second = ((f / name).read_bytes() for f in (self.folder / "model", again))
            self.assertEqual(first, second, name)


if __name__ == "__main__":
    unittest.main()
