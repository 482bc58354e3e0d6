"""Scores of masks against the truth; needs no model."""
