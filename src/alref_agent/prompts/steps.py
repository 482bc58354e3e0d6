"""The steps that have prompts, what each may be given, and what its reply must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One step of the reasoning."""

    name: str
    summary: str
    inputs: Mapping[str, str]
    """Name of an input -> one sentence on what it holds."""
    answer: str
    """The field of a structured reply that holds the answer; empty: there is none."""


_SHARED = {
    "expression": "The words that name the object, as the user typed them: write it quoted.",
    "n_frames": "How many frames the LLM is shown, a number from 1.",
    "frames": "The frames that the LLM is shown: number (from 1), frame_idx and seconds of each.",
    "layout": "How the frames lie, in words: stacked from top to bottom.",
    "sightings": "What the detector saw, a frame each: number, seconds and objects, of which each "
    "has phrase (write it quoted), score, place, size and motion.",
}

STEPS: Mapping[str, Step] = {
    "pivot-frame": Step(
        "pivot-frame",
        "Name the frame that shows the object best.",
        {
            **_SHARED,
            "seconds_between": "How many seconds lie between a frame and the next.",
            "window": "Which part of the video the frames are from, a number from 1.",
            "n_windows": "Into how many parts the video is cut.",
        },
        answer="frame",
    ),
    "pivot-box": Step(
        "pivot-box",
        "Choose the box that holds the object, among those drawn on one frame.",
        {
            **_SHARED,
            "pivot": "The number of the frame on which the boxes are drawn.",
            "boxes": "The boxes to choose from: number (from 1), colour, phrase (write it quoted), "
            "score, place, size and motion of each.",
            "n_boxes": "How many boxes there are, a number from 1.",
        },
        answer="boxes",
    ),
    "detect": Step(
        "detect",
        "Give boxes around what the words name on one frame, where the LLM is the detector.",
        {
            "expression": _SHARED["expression"],
            "height": "Of the picture as it is sent, in pixels.",
            "width": "Of the picture as it is sent, in pixels.",
            "max_boxes": "How many boxes are taken at most, a number from 1.",
            "box_key": "The key of a box in the reply, as the LLM's kind learned it: bbox_2d.",
            "corners": "The order of a box's numbers: [x0, y0, x1, y1].",
            "coordinates": "What these numbers are, in words, without a full stop.",
        },
        answer="",
    ),
    "agent": Step(
        "agent",
        "Find and segment what the words name, by calling tools: the first turn of a conversation.",
        {
            "expression": _SHARED["expression"],
            "n_frames": "How many frames the video has.",
            "seconds": "How long the video is.",
            "height": "Of a frame, in pixels.",
            "width": "Of a frame, in pixels.",
            "max_steps": "How many turns the LLM has at most.",
        },
        answer="",
    ),
}
"""Name of a step -> what it is."""

TASKS = ("rvos", "avs")
"""What is segmented: what words name, or what sounds."""
