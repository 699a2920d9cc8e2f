"""The speaking model's grammar and its recogniser's automaton. Needs nothing but Python."""

import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from voice.automaton import accepts, sentence_automaton
from voice.sentences import SLOT, languages, sentences, words


class Grammar(unittest.TestCase):
    def test_the_same_seed_says_the_same_sentences(self):
        self.assertEqual(sentences(50, 1), sentences(50, 1))
        self.assertNotEqual(sentences(50, 1), sentences(50, 2))

    def test_a_seed_has_always_said_these(self):
        """Other sentences would be another corpus: the committed weights were trained on these."""
        first = [s.text for s in sentences(3, 20)]
        self.assertEqual(first, FIRST)

    def test_training_and_testing_share_no_sentence(self):
        known = {s.text for s in sentences(3000, 1)}
        unseen = {s.text for s in sentences(200, 2, held_out=True)}
        self.assertFalse(known & unseen)

    def test_every_slot_is_filled(self):
        for sentence in sentences(2000, 3):
            self.assertIsNone(SLOT.search(sentence.text), sentence.text)

    def test_every_value_is_reached_by_a_template(self):
        for language in languages():
            used = {slot for template in language.templates for slot in SLOT.findall(template)}
            self.assertEqual(used, set(language.slots))

    def test_a_language_can_be_asked_for(self):
        self.assertEqual({s.language for s in sentences(20, 1, language="spanish")}, {"spanish"})

    def test_punctuation_and_case_are_no_part_of_a_word(self):
        self.assertEqual(words("It's nine PM, Alice."), ["it's", "nine", "pm", "alice"])


class Automaton(unittest.TestCase):
    def test_it_says_what_the_templates_say_and_nothing_else(self):
        rng = random.Random(4)
        slots = {"{n}": [("one",), ("twenty", "one"), ("twenty", "two"), ("twenty",)],
                 "{p}": [("dogs",), ("red", "dogs")]}  # fmt: skip
        templates = [("i", "see", "{n}", "{p}"), ("{n}", "{p}"), ("i", "see"), ("i", "{n}")]
        fsg = sentence_automaton("g", templates, slots)
        for _ in range(200):
            said = []
            for piece in rng.choice(templates):
                said += rng.choice(slots.get(piece, [(piece,)]))
            self.assertTrue(accepts(fsg, said), said)
        for other in ([], ["i", "see", "dogs"], ["twenty", "dogs", "red"], ["i", "see", "two"]):
            self.assertFalse(accepts(fsg, other), other)

    def test_arcs_out_of_a_state_are_equally_likely(self):
        fsg = sentence_automaton("g", [("a",), ("b",), ("c", "d")], {})
        self.assertEqual(fsg.count(" 0.333333 "), 3)


FIRST = [
    "Hay cuatro caballos en la cocina.",
    "What time does the school open today?",
    "Good morning, my name is Alice.",
]

if __name__ == "__main__":
    unittest.main()
