"""The grammar as a small finite-state automaton, in the format that pocketsphinx reads.

Written as JSGF, every use of a slot repeats all of its values, and the recogniser is slow; with
common beginnings and ends shared it has a fifth of the arcs.
"""

from collections.abc import Iterable

Sequence = tuple[str, ...]


class Automaton:
    """Arcs (state, label, state) between `start` and `end`; a label of "" says nothing."""

    def __init__(self):
        self.states = 0
        self.arcs: list[tuple[int, str, int]] = []

    def state(self) -> int:
        self.states += 1
        return self.states - 1

    def insert(self, start: int, end: int, sequences: Iterable[Sequence], nested: dict) -> None:
        """Let every one of `sequences` lead from `start` to `end`.

        A label that is a key of `nested` stands for any of its sequences.
        """
        self._build(start, frozenset(sequences), end, {}, nested)

    def _build(self, start, rest, end, built, nested) -> None:
        """Arcs out of `start` for the sequences in `rest`; equal rests share their states."""
        by_first: dict[str, set] = {}
        for sequence in rest - {()}:
            by_first.setdefault(sequence[0], set()).add(sequence[1:])
        if () in rest:
            self.arcs.append((start, "", end))
        for label, tails in sorted(by_first.items()):
            tails = frozenset(tails)
            if tails == {()}:
                target = end
            elif tails in built:
                target = built[tails]
            else:
                target = built[tails] = self.state()
                self._build(target, tails, end, built, nested)
            if label in nested:
                inner = self.state()
                self.arcs.append((start, "", inner))
                self.insert(inner, target, nested[label], nested)
            else:
                self.arcs.append((start, label, target))

    def fsg(self, name: str, start: int, end: int) -> str:
        """The automaton in sphinxbase's FSG format, all arcs out of a state equally likely."""
        out = [0] * self.states
        for source, _, _ in self.arcs:
            out[source] += 1
        lines = [
            f"FSG_BEGIN {name}", f"NUM_STATES {self.states}", f"START_STATE {start}",
            f"FINAL_STATE {end}",
        ]  # fmt: skip
        lines += [
            f"TRANSITION {s} {t} {1 / out[s]:.6f} {word}".rstrip() for s, word, t in self.arcs
        ]
        return "\n".join([*lines, "FSG_END", ""])


def sentence_automaton(
    name: str, templates: list[Sequence], slots: dict[str, list[Sequence]]
) -> str:
    """All of a grammar's sentences, as an FSG file; a template's label may name a slot."""
    automaton = Automaton()
    start, end = automaton.state(), automaton.state()
    automaton.insert(start, end, templates, slots)
    return automaton.fsg(name, start, end)


def accepts(fsg: str, sequence: list[str]) -> bool:
    """Whether the automaton in the FSG file's text says `sequence`."""
    arcs: dict[int, list[tuple[int, str]]] = {}
    final = -1
    for line in fsg.splitlines():
        kind, *fields = line.split()
        if kind == "FINAL_STATE":
            final = int(fields[0])
        elif kind == "TRANSITION":
            source, target, _, *word = fields
            arcs.setdefault(int(source), []).append((int(target), "".join(word)))

    def closure(states: set[int]) -> set[int]:
        open_states = list(states)
        while open_states:
            for target, word in arcs.get(open_states.pop(), []):
                if not word and target not in states:
                    states.add(target)
                    open_states.append(target)
        return states

    states = closure({0})
    for wanted in sequence:
        states = closure({t for s in states for t, word in arcs.get(s, []) if word == wanted})
    return final in states
