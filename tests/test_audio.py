from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alref_agent.errors import VideoError
from alref_agent.media.audio import audio_info, read_audio
from media_files import RATE, chirp, delay, write_sound, write_video

FORMATS = {
    "8 kHz mono": ("s.wav", "pcm_s16le", 8_000, "mono"),
    "44.1 kHz stereo mp3": ("s.mp3", "libmp3lame", 44_100, "stereo"),
    "48 kHz stereo aac": ("s.m4a", "aac", 48_000, "stereo"),
    "48 kHz 5.1 aac": ("s.m4a", "aac", 48_000, "5.1"),
    "48 kHz 5.1 ac3": ("s.ac3", "ac3", 48_000, "5.1"),
    "48 kHz stereo opus": ("s.opus", "libopus", 48_000, "stereo"),
    "96 kHz stereo flac": ("s.flac", "flac", 96_000, "stereo"),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_becomes_one_channel_at_the_rate_asked_for(tmp_path: Path, kind: str) -> None:
    name, codec, rate, layout = FORMATS[kind]
    path = write_sound(tmp_path / name, chirp(2, rate), codec=codec, rate=rate, layout=layout)
    sound = read_audio(path)
    assert sound.dtype == np.float32
    assert sound.ndim == 1
    # Codecs fill their last block.
    assert 32_000 <= len(sound) <= 32_000 + 1_600
    truth = chirp(2, 16_000)
    # AC-3 in its raw form does not say how much its decoder runs in.
    assert abs(delay(truth, sound)) <= (120 if codec == "ac3" else 2)
    # The channels are alike, and mixing must neither add them up nor clip.
    assert 0.3 < np.sqrt(2) * sound[2_000:30_000].std() < 0.5
    assert np.abs(sound).max() <= 1
    part = read_audio(path, start=0.5, end=1.25)
    assert len(part) == 12_000
    assert np.abs(part - sound[8_000:20_000]).max() < 0.02
    info = audio_info(path)
    assert info is not None
    assert (info.rate, info.channels) == (rate, {"mono": 1, "stereo": 2, "5.1": 6}[layout])
    assert info.duration == pytest.approx(2, abs=0.1)


def test_other_rates(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "s.wav", chirp(1, 16_000), codec="pcm_s16le", rate=16_000)
    for rate in (8_000, 22_050, 48_000):
        assert abs(len(read_audio(path, rate=rate)) - rate) <= 2


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_sample_0_is_the_first_frame(tmp_path: Path, container: str) -> None:
    sound = chirp(2, 48_000)
    together = write_video(tmp_path / f"a.{container}", 50, sound=sound)
    assert abs(delay(chirp(2, 16_000), read_audio(together))) <= 16
    earlier = write_video(tmp_path / f"b.{container}", 50, sound=sound, start=0.4)
    # The pictures come 0.4 s after the sound begins: that much of it is cut.
    assert abs(delay(chirp(1.6, 16_000, start=0.4), read_audio(earlier)[:25_600])) <= 16
    later = write_video(
        tmp_path / f"c.{container}",
        50,
        sound=np.r_[np.zeros(24_000), sound][:96_000].astype(np.float32),
    )
    heard = read_audio(later)
    assert np.abs(heard[:7_000]).max() < 0.02
    assert np.abs(heard[9_000:20_000]).max() > 0.3


def test_a_track_that_begins_later_begins_with_silence(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", 50, sound=chirp(2, 48_000), start=-0.4)
    sound = read_audio(path)
    assert np.abs(sound[:6_000]).max() < 0.02
    assert abs(delay(np.r_[np.zeros(6_400), chirp(1, 16_000)], sound[:22_400])) <= 32


def test_a_late_range_is_read_from_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 125, sound=chirp(5, 48_000), sound_rate=48_000)
    whole = read_audio(path)
    late = read_audio(path, start=3.3, end=4.1)
    assert len(late) == 12_800
    expected = whole[52_800 : 52_800 + 12_800]
    assert delay(expected, late) == 0
    # Half a sample of difference, at most: the resampler begins at another packet.
    assert np.abs(late - expected).max() < 0.1


def test_beyond_the_end_is_silence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "s.wav", chirp(1, 16_000), codec="pcm_s16le", rate=16_000)
    sound = read_audio(path, start=0.5, end=2)
    assert len(sound) == 24_000
    assert np.abs(sound[7_000:8_000]).max() > 0.1
    assert np.abs(sound[8_100:]).max() == 0
    with pytest.raises(ValueError, match="after"):
        read_audio(path, start=1, end=1)


def test_no_sound_is_said(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", 5)
    assert audio_info(path) is None
    with pytest.raises(VideoError, match="no sound"):
        read_audio(path)
    with pytest.raises(VideoError, match="does not exist"):
        read_audio(tmp_path / "none.wav")


def test_damage_is_a_short_silence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "s.flac", chirp(3, 16_000), codec="flac", rate=16_000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    sound = read_audio(path)
    assert len(sound) == pytest.approx(48_000, abs=100)
    truth = chirp(3, 16_000)
    assert np.abs(sound[:8_000] - truth[:8_000]).max() < 0.01
    assert np.abs(sound[40_000:47_000] - truth[40_000:47_000]).max() < 0.01


def test_rate_of_the_helpers() -> None:
    assert RATE == 25, "times above are whole numbers of frames at this rate"
