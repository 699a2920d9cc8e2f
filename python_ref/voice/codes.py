"""Speech tokens and the codes that they stand for.

The tokenizer emits 243 of its 6561 token ids. When the language model speaks, each code has 27
token ids that mean the same, those that agree in the five digits that are used. Silence is the
exception: it is spoken with the ids that the reference counts as silent and shortens when there
are many.
"""

from dataclasses import dataclass, field

import numpy as np

#: Token ids in all, and codes: ternary numbers of 8 digits and of 5.
TOKENS, CODES = 3**8, 3**5
#: What the unused three digits add, at their middle value, to a code from the tokenizer.
FREE = 3**5 + 3**6 + 3**7
#: The ids that the reference drops after five of them in a row (`cosyvoice/cli/model.py`).
SILENT_TOKENS = (1, 2, 28, 29, 55, 248, 494, 2241, 2242, 2322, 2323)
#: Ids from 6561 on, which control: start, end, task, fill, and others without a meaning.
CONTROLS = 200
NEVER = -1


def code_of_token(tokens: np.ndarray) -> np.ndarray:
    """The codes of token ids that came from the tokenizer."""
    return np.asarray(tokens) % CODES


@dataclass(frozen=True)
class Synonyms:
    """Which token ids stand for which code; `silence` is the code of silence."""

    silence: int
    #: The code that each token id is heard as, [6561].
    heard: np.ndarray = field(init=False, repr=False)
    #: The code that each token id says, [6561], or `NEVER` for ids that are never sampled.
    said: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        heard = np.arange(TOKENS) % CODES
        said = np.where(heard == self.silence, NEVER, heard)
        for table in (heard, said):
            table[list(SILENT_TOKENS)] = self.silence
        object.__setattr__(self, "heard", heard)
        object.__setattr__(self, "said", said)

    def counts(self) -> np.ndarray:
        """How many token ids say each code, [243]."""
        return np.bincount(self.said[self.said != NEVER], minlength=CODES)
