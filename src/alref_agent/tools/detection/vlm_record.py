"""What the questions of the detector `vlm` mean for the record of a run."""

from __future__ import annotations

from collections.abc import Sequence

from alref_agent.record import FallbackRecord, ObjectRecord, RequestRecord
from alref_agent.tools.detection.vlm_questions import DETECT


def lost_frames(requests: Sequence[RequestRecord]) -> list[FallbackRecord]:
    """The frames whose replies could not be used even after a repair turn, each said once."""
    lost = {(r.exp_id, tuple(r.frames)): r.problem for r in requests if _lost(r)}
    return [
        FallbackRecord(
            stage=DETECT,
            reason=f"No usable boxes on frame {frames[0]}, which counts as one without: {problem}",
            exp_id=exp_id,
        )
        for (exp_id, frames), problem in lost.items()
    ]


def with_failures(
    objects: Sequence[ObjectRecord], requests: Sequence[RequestRecord]
) -> list[ObjectRecord]:
    """The answers, in which nothing that failed looks like nothing that was found.

    Where no reply about an expression could be used, that there is no target is not known.
    """
    seen = {r.exp_id for r in requests if r.step == DETECT and r.understood is not None}
    lost = {r.exp_id: r.problem for r in requests if _lost(r) and r.exp_id not in seen}
    return [
        record.model_copy(
            update={
                "status": "failed",
                "reason": "The LLM gave no usable boxes on any frame that it was shown: "
                + lost[record.exp_id],
            }
        )
        if record.status == "no-target" and record.exp_id in lost
        else record
        for record in objects
    ]


def _lost(request: RequestRecord) -> bool:
    return request.step == DETECT and request.repair and request.understood is None
