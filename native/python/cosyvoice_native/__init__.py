"""CosyVoice3 text-to-speech on a native engine, with the methods of the Python CosyVoice3.

    from cosyvoice_native import AutoModel

    cosyvoice = AutoModel(model_dir="Fun-CosyVoice3-0.5B")
    for piece in cosyvoice.inference_zero_shot(
        "Hello there.", "You are a helpful assistant.<|endofprompt|>What I say.", "me.wav"
    ):
        piece["tts_speech"]  # [1, samples], float32, cosyvoice.sample_rate

Sound is a torch tensor where torch can be imported, else a numpy array. `python -m cosyvoice_native
PROGRAM` runs a program that was written for the Python CosyVoice, unmodified.
"""

from .cosyvoice import AutoModel, CosyVoice3
from .randomness import set_all_random_seed

__all__ = ["AutoModel", "CosyVoice3", "set_all_random_seed"]
