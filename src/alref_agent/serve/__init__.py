"""The same library behind other front ends."""
