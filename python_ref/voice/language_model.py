"""Trains the language model: CosyVoice3LM with its own `forward`, over the rows that are used.

The reference's class takes any number of speech tokens, so it is trained on the 243 codes and on
the few hundred text ids that occur; `export.py` spreads the rows over the full vocabularies. A
code that n tokens say gets log n added to its logit here, so that the exported model's softmax
over all tokens is the distribution that was trained.
"""

import json
import random
from collections import defaultdict
from pathlib import Path

import torch
from cosyvoice.llm.llm import CosyVoice3LM, Qwen2Encoder
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from . import tokens
from .codes import CODES, CONTROLS, Synonyms
from .texts import Texts
from .tokens import Line
from .training import Schedule, Training

HIDDEN, LAYERS, HEADS, KV_HEADS, INTERMEDIATE = 192, 4, 3, 1, 512
SCHEDULE = Schedule(steps=8000, rate=2e-3, warmup=200, decay=0.05, report=200)
BATCH, POOL = 24, 8
SEED = 3

END = "<|endofprompt|>"
ASSISTANT = "You are a helpful assistant."
#: What the model is told, by tempo: the reference's own instructions for slow and for fast.
INSTRUCTIONS = {
    "usual": ASSISTANT + END,
    "slow": f"{ASSISTANT} 请用尽可能慢地语速说一句话。{END}",
    "fast": f"{ASSISTANT} 请用尽可能快地语速说一句话。{END}",
}


class CodeDecoder(nn.Linear):
    """The output layer over codes and control tokens, without a bias; `multiplicity` is how many
    tokens say each."""

    def __init__(self, width: int, multiplicity: torch.Tensor):
        super().__init__(width, len(multiplicity), bias=False)
        self.register_buffer("offset", multiplicity.log(), persistent=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):  # the softmax wants single precision
            return super().forward(hidden.float()) + self.offset


def qwen_config(rows: int) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=rows, hidden_size=HIDDEN, intermediate_size=INTERMEDIATE,
        num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=KV_HEADS,
        max_position_embeddings=32768, max_window_layers=LAYERS, rope_theta=1e6,
        rms_norm_eps=1e-6, tie_word_embeddings=True, bos_token_id=151643, eos_token_id=151645,
    )  # fmt: skip


def build(folder: Path, rows: int, synonyms: Synonyms) -> CosyVoice3LM:
    """An untrained model over `rows` text ids; its Qwen2 is read from `folder`, as the
    reference does."""
    torch.manual_seed(SEED)
    config = qwen_config(rows)
    config.bos_token_id = config.eos_token_id = None  # not among the rows
    Qwen2ForCausalLM(config).save_pretrained(folder / "qwen2")
    encoder = Qwen2Encoder(str(folder / "qwen2"))
    encoder.model.config._attn_implementation = "eager"  # the fused one's gradient is slow on a CPU
    net = CosyVoice3LM(HIDDEN, HIDDEN, CODES, encoder, sampling=None, lsm_weight=0.0)
    multiplicity = torch.tensor([*synonyms.counts(), *[1] * CONTROLS], dtype=torch.float32)
    net.llm_decoder = CodeDecoder(HIDDEN, multiplicity)
    for embedding in (net.speech_embedding, encoder.model.model.embed_tokens):
        nn.init.normal_(embedding.weight, std=0.1)
    nn.init.normal_(net.llm_decoder.weight, std=0.02)
    return net


class Examples:
    """Draws what the model is trained on, in the shapes in which the reference will ask.

    A voice prompt and a text to be said with it (zero-shot), a text alone (cross-lingual), or
    one with an instruction. A text has one sentence or two.
    """

    def __init__(self, lines: list[Line], texts: Texts):
        self.texts = texts
        self.lines = lines
        self.by_voice = defaultdict(list)
        for line in lines:
            if line.tempo == "usual":
                self.by_voice[line.voice].append(line)
        self.pool: list[tuple] = []

    def text(self, line: Line, rng, more: float = 0.2) -> tuple[list[int], list[int]]:
        """Text rows and codes of the line, or of it and another of its voice."""
        rows, codes = self.texts.rows(line.text), line.codes.tolist()
        if line.tempo == "usual" and rng.random() < more:
            other = rng.choice(self.by_voice[line.voice])
            rows = rows + self.texts.rows(" " + other.text)
            codes = codes + other.codes.tolist()
        return rows, codes

    def draw(self, rng, prompted: float) -> tuple[list[int], list[int], list[int]]:
        """Instruction rows, text rows, codes."""
        line = rng.choice(self.lines)
        rows, codes = self.text(line, rng)
        if line.tempo == "usual" and rng.random() < prompted:
            before, spoken = self.text(rng.choice(self.by_voice[line.voice]), rng)
            rows, codes = before + rows, spoken + codes
        return self.texts.rows(INSTRUCTIONS[line.tempo]), rows, codes

    def batch(self, prompted: float) -> dict:
        """`BATCH` examples of similar length, as the reference's `forward` takes them."""
        if not self.pool:
            drawn = [self.draw(random, prompted) for _ in range(BATCH * POOL)]
            drawn.sort(key=lambda example: len(example[2]))
            self.pool = [drawn[k : k + BATCH] for k in range(0, len(drawn), BATCH)]
            random.shuffle(self.pool)
        return collate(self.pool.pop())


def collate(examples: list[tuple]) -> dict:
    batch = {}
    for name, parts in zip(
        ("instruct_token", "text_token", "speech_token"), zip(*examples, strict=True), strict=True
    ):
        rows = [torch.tensor(part) for part in parts]
        batch[name] = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        batch[name + "_len"] = torch.tensor([len(r) for r in rows], dtype=torch.int32)
    return batch


def train(folder: Path) -> None:
    """Train on the tokens in `folder`; write `llm.pt` (compact) and `llm.json` with its rows."""
    lines = tokens.load(folder, "0", "1", "further-0", "further-1")
    test = tokens.load(folder, "test")
    said = [line.text for line in lines + test]
    texts = Texts(folder, said + list(INSTRUCTIONS.values()))
    synonyms = Synonyms(tokens.silence(lines))
    net = build(folder, len(texts.ids), synonyms)
    training = Training("llm", net, folder, SCHEDULE, SEED)
    examples, unseen = Examples(lines, texts), Examples(test, texts)
    device = torch.device("cpu")
    rng = random.Random(SEED)
    held = [collate([unseen.draw(rng, prompted) for _ in range(48)]) for prompted in (0.0, 1.0)]

    def loss() -> dict:
        # The beginning is quicker to learn without a prompt before it.
        prompted = 0.6 * min(1.0, max(0.0, 6 * training.step / SCHEDULE.steps - 0.5))
        return net(examples.batch(prompted), device)

    def evaluate() -> dict:
        state = random.getstate()
        random.seed(SEED)  # `forward` draws which examples interleave text and speech
        alone, prompted = (net(batch, device) for batch in held)
        random.setstate(state)
        return {
            "loss": float(alone["loss"]), "accuracy": float(alone["acc"]),
            "prompted_loss": float(prompted["loss"]), "prompted_accuracy": float(prompted["acc"]),
        }  # fmt: skip

    training.run(loss, evaluate)
    torch.save(net.state_dict(), folder / "llm.pt")
    rows = {"text_ids": texts.ids, "silence": synonyms.silence}
    (folder / "llm.json").write_text(json.dumps(rows) + "\n")


def about(folder: Path) -> dict:
    """What the rows of the trained model in `folder` are."""
    return json.loads((folder / "llm.json").read_text())
