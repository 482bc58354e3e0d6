"""Files in, files out: video, sound, contact sheets, masks, overlay."""
