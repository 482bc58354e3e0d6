"""Prompts: versioned files, found by step and version, rendered in a sandbox."""
