"""Drives an unmodified CosyVoice checkout and hands out what every stage computed.

    reference = cosyvoice_reference.load(root="CosyVoice", model_dir="Fun-CosyVoice3-0.5B")
    result = reference.run({"mode": "zero-shot", "text": …, "prompt_wav": …, …})
    result.arrays["flow.mel[0]"], result.text, result.noise["flow.mel[0]"]

Nothing of the checkout is edited: modules are watched through hooks, and a few methods through
wrappers on the one model object.
"""

from .reference import Reference, Result, load
from .text import TextReference, load_text

__all__ = ["Reference", "Result", "TextReference", "load", "load_text"]
