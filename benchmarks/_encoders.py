"""x264's presets on noise: the measurement that chose ours."""

from __future__ import annotations

import time
from typing import Any

import av
import numpy as np

from studio.encoding import ENCODER, codec, converted
from studio.fidelity import psnr, ssim
from studio.quality import QUALITIES

FRAMES = 8
CHOICES = (
    {},
    {"bf": "5"},
    {"crf": "18"},
    {"preset": "superfast", "crf": "18"},
    {"preset": "veryfast", "crf": "18"},
    {"preset": "faster", "crf": "18"},
    {"preset": "medium", "crf": "18"},
    {"preset": "medium", "crf": "23", "tune": "", "bf": ""},
)
"""Beside our own settings: other presets, and what manim takes (the last)."""


def pictures(colour: bool) -> list[np.ndarray]:
    """Three tiles of Gaussian noise, as the scenes show them at 720p."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(FRAMES):
        picture = np.full((720, 1280, 4), (15, 18, 24, 255), np.uint8)
        for i in range(3):
            levels = rng.standard_normal((64, 64, 3 if colour else 1)) * 64 + 128
            tile = np.clip(levels, 0, 255).astype(np.uint8).repeat(4, 0).repeat(4, 1)
            picture[200:456, 100 + 366 * i : 356 + 366 * i, :3] = tile
        found.append(picture)
    return found


def decoded(packets: list[av.Packet], header: bytes) -> list[np.ndarray]:
    """The luma of the frames, in their order."""
    context = av.CodecContext.create("h264", "r")
    context.extradata = header
    frames = [frame for packet in packets for frame in context.decode(packet)]
    frames += context.decode(None)
    return [f.to_ndarray()[:720] for f in sorted(frames, key=lambda frame: frame.pts)]


def table() -> list[dict[str, Any]]:
    """One row for each choice and each kind of noise."""
    rows = []
    for colour in (False, True):
        frames = [converted(picture) for picture in pictures(colour)]
        lumas = [frame.to_ndarray()[:720] for frame in frames]
        for choice in CHOICES:
            settings = {k: v for k, v in {**ENCODER, **choice}.items() if v}
            context = codec(QUALITIES["medium"], settings)
            packets: list[av.Packet] = []
            begun = time.process_time()
            for place, frame in enumerate(frames):
                frame.pts, frame.time_base = place, context.time_base
                packets += context.encode(frame)
            packets += context.encode(None)
            spent = time.process_time() - begun
            shown = decoded(packets, bytes(context.extradata))
            part = (slice(200, 456), slice(100, 1088))
            pairs = [(a[part], b[part]) for a, b in zip(lumas, shown, strict=True)]
            rows.append(
                {
                    "noise": "colour" if colour else "grey",
                    "settings": " ".join(
                        f"{settings.get(k)}" for k in ("preset", "crf", "tune", "bf")
                    ),
                    "ms_a_frame": round(spent / FRAMES * 1e3, 1),
                    "kB_a_frame": round(sum(p.size for p in packets) / FRAMES / 1e3),
                    "psnr_dB": round(min(psnr(a, b) for a, b in pairs), 1),
                    "ssim": round(min(ssim(a, b) for a, b in pairs), 4),
                }
            )
    return rows
