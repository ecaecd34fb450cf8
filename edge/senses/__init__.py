"""Senses: what is measured in the pixels of a picture, each for the detector that asks for it."""
