"""Masks for prompts: `segment_video` and its backends."""
