"""Voices beside espeak-ng and silence: Piper, services of manim-voiceover, own recordings."""
