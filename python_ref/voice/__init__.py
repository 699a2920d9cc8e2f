"""A small CosyVoice3 that speaks, trained on synthetic speech with the reference's own modules."""
