"""Boxes for words: `detect_objects` and its backends, `link_boxes`."""
