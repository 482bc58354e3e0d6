"""The tool `link_boxes`: detections of sampled frames -> box tracks of objects."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from alref_agent.tools.detection.link import link
from alref_agent.tools.tool import Arguments, Result, Tool
from alref_agent.workspace import Workspace


class LinkBoxesArguments(Arguments):
    """Which detections are linked."""

    detections: list[str] = Field(min_length=1, description="Ids from detect_objects.")
    max_tracks: int = Field(8, ge=1, description="At most this many tracks a target.")


class LinkedTrack(Result):
    """One object through time."""

    id: str = Field(description="Give this to segment_video as box_track.")
    target: int = Field(description="Index of the target that it is for.")
    label: str
    score: float = Field(description="For ranking tracks of one target; higher is better.")
    best_score: float = Field(description="Of its surest detection, in [0, 1].")
    motion: float = Field(description="Speed against the camera, frame widths a second.")
    first_frame: int
    last_frame: int
    n_detected: int = Field(description="Frames on which it was detected, not filled in.")
    mean_box: tuple[float, float, float, float] = Field(description="xyxy in pixels.")


class ExpressionTracks(Result):
    """The tracks for one expression's detections, best first within each target."""

    detections: str
    tracks: list[LinkedTrack]


class LinkBoxesResult(Result):
    """One entry for every id given, in order."""

    linked: list[ExpressionTracks]


class LinkBoxes(Tool[LinkBoxesArguments, LinkBoxesResult]):
    """Link boxes of different frames that show the same object, with one pass over the video."""

    name = "link_boxes"
    summary = "Link detections on different frames into box tracks, one an object, best first."
    arguments = LinkBoxesArguments
    result = LinkBoxesResult

    def run(self, workspace: Workspace, arguments: LinkBoxesArguments) -> LinkBoxesResult:
        """Link; see the class."""
        detections = [workspace.detections(item)[2] for item in arguments.detections]
        linked = []
        tracks_of = link(
            workspace.video,
            detections,
            max_tracks=arguments.max_tracks,
            progress=workspace.progress,
        )
        for item, tracks in zip(arguments.detections, tracks_of, strict=True):
            entries = []
            for track in tracks:
                x0, y0, x1, y1 = (round(float(v), 2) for v in track.boxes.mean(axis=0))
                entries.append(
                    LinkedTrack(
                        id=workspace.add_box_track(track),
                        target=track.target,
                        label=track.label,
                        score=round(track.score, 4),
                        best_score=round(float(track.scores.max()), 4),
                        motion=round(track.motion, 4),
                        first_frame=int(track.frame_idxs[0]),
                        last_frame=int(track.frame_idxs[-1]),
                        n_detected=int(np.count_nonzero(track.scores)),
                        mean_box=(x0, y0, x1, y1),
                    )
                )
            linked.append(ExpressionTracks(detections=item, tracks=entries))
        return LinkBoxesResult(linked=linked)
