"""The voices: espeak-ng's variants at three pitches each, some of them kept for testing.

A variant is here if pocketsphinx understands espeak-ng's own speech in it.
"""

from .speech import Voice

TRAINING_VARIANTS = (
    "f1 f2 f3 f4 f5 m1 m2 m3 m4 m6 m7 Alex Denis Gene edward adam caleb Mike Hugo Diogo".split()
)

#: Two that sound female and two that sound male; no network is trained on them.
UNSEEN_VARIANTS = ["anika", "steph", "Henrique", "benjamin"]

#: Pitch (espeak-ng's 0 to 99) and words a minute.
MANNERS = ((38, 150), (50, 160), (62, 170))


def _voices(variants: list[str], manners) -> list[Voice]:
    return [Voice(f"{v}-{pitch}", v, pitch, rate) for v in variants for pitch, rate in manners]


TRAINING = _voices(TRAINING_VARIANTS, MANNERS)
UNSEEN = _voices(UNSEEN_VARIANTS, MANNERS[1:2])

#: Variants whose own speech the judge mishears in more than 8% of the words: no measure of what a
#: network says in them.
MISHEARD = {"f3", "f4", "m4", "m7"}
JUDGED = [v for v in TRAINING if v.variant not in MISHEARD]
