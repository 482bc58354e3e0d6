"""LLMs: who answers, and the one policy by which they are asked."""
