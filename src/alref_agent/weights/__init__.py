"""Weights of models: where they are, how they are loaded, on which device."""
