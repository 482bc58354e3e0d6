from __future__ import annotations
import base64, binascii, io
import numpy as np
from PIL import Image
from llm_server.seen import Rgb
def decode(data: str, mime_type: str | None = None) -> Rgb:
    try:
        raw = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    try:
        with Image.open(io.BytesIO(raw)) as image:
            kind = Image.MIME.get(image.format or "")
            pixels = np.asarray(image.convert("RGB"))
    except OSError as error:
        raise ValueError("not a picture") from error
    if mime_type not in (None, kind):
        raise ValueError(f"{mime_type} is announced, {kind} is sent")
    return pixels
