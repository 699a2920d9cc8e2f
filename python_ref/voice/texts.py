"""Text ids: Qwen2's vocabulary, of which the model needs the few hundred that the grammar uses."""

from pathlib import Path

from . import vocabulary

#: Fetched by `make setup`.
RANKS = Path(__file__).resolve().parents[2] / ".cache" / "qwen" / "qwen.tiktoken"


def write_vocabulary(folder: Path) -> None:
    """Write the vocabulary's files, from which the reference's tokenizer is built."""
    vocabulary.write(RANKS, folder / "vocabulary")


class Texts:
    """Text ids by the reference's tokenizer, renumbered to the rows that occur.

    A word has another id at the beginning of a text than after a blank, so both are numbered.
    """

    def __init__(self, folder: Path, texts: list[str]):
        from cosyvoice.tokenizer.tokenizer import get_qwen_tokenizer

        path = str(folder / "vocabulary")
        self.tokenizer = get_qwen_tokenizer(path, True, version="cosyvoice3")
        used: set[int] = set()
        for text in texts:
            used.update(self._ids(text), self._ids(" " + text))
        self.ids = sorted(used)
        self.row = {i: row for row, i in enumerate(self.ids)}
        self._known: dict[str, list[int]] = {}

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, allowed_special="all")

    def rows(self, text: str) -> list[int]:
        """The rows of a text; not to be changed, because they are kept."""
        if text not in self._known:
            self._known[text] = [self.row[i] for i in self._ids(text)]
        return self._known[text]
