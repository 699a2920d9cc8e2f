"""Qwen2's text vocabulary as the reference loads it, from the ranks that `make setup` fetches.

`parity fixture` derives the same files in Rust (`parity/fixture/src/vocabulary.rs`).
"""

import base64
import json
from pathlib import Path

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEXT_ROWS = 151_936  # of the text embedding, padded as published


def byte_letters() -> list[str]:
    """The printable character that GPT-2's vocabularies write for each byte."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(256, 512))
    return [chr(b if b in printable else next(others)) for b in range(256)]


def read_ranks(path: Path) -> list[bytes]:
    """The tokens' bytes by rank, from a tiktoken file."""
    lines = path.read_bytes().splitlines()
    return [base64.b64decode(line.split()[0]) for line in lines if line]


def last_merge(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    """The two parts that the token's own merge joins: what all earlier merges leave of it."""
    parts, own = [token[i : i + 1] for i in range(len(token))], ranks[token]
    while len(parts) > 2:
        candidates = [
            (rank, i)
            for i in range(len(parts) - 1)
            if (rank := ranks.get(parts[i] + parts[i + 1], own)) < own
        ]
        _, i = min(candidates)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return parts[0], parts[1]


def write(ranks_file: Path, folder: Path) -> None:
    """Write vocab.json, merges.txt and tokenizer_config.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens, letters = read_ranks(ranks_file), byte_letters()
    ranks = {token: rank for rank, token in enumerate(tokens)}
    spell = lambda token: "".join(letters[b] for b in token)  # noqa: E731
    vocabulary = {spell(token): rank for rank, token in enumerate(tokens)}
    merges = ["#version: 0.2"]
    for token in tokens:
        if len(token) > 1:
            left, right = last_merge(token, ranks)
            merges.append(f"{spell(left)} {spell(right)}")
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    (folder / "merges.txt").write_text("\n".join(merges) + "\n", "utf-8")
    decoder = {
        str(len(tokens) + i): {
            "content": name, "lstrip": False, "normalized": False, "rstrip": False,
            "single_word": False, "special": True,
        }
        for i, name in enumerate(SPECIAL)
    }  # fmt: skip
    config = {
        "add_prefix_space": False, "added_tokens_decoder": decoder,
        "additional_special_tokens": list(SPECIAL[1:]), "bos_token": None,
        "clean_up_tokenization_spaces": False, "eos_token": SPECIAL[0], "errors": "replace",
        "model_max_length": 32768, "pad_token": SPECIAL[0], "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
