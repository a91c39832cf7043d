"""A quick look at what matters while training runs: image AUROC of the detector on surfaces made here, good parts only.

No picture of any inspection data set is used, so the figure may steer training; the real sets only compare finished networks.
"""
import numpy as np
import torch

import data
import detect

KINDS, TAUGHT, TESTED, SIDE, BANK = 6, 20, 16, 160, 400


def _parts(kind):
    """One kind of part: a fixed ground with fresh noise and light, and the same with one mark."""
    fixed = np.random.default_rng((77, kind)).integers(1 << 31)
    ground = data.SURFACES[kind % len(data.SURFACES)]

    def part(i, bad):
        rng = np.random.default_rng((78, kind, i))
        look = np.random.default_rng(fixed)
        canvas = np.empty((SIDE, SIDE, 3), np.float32)
        canvas[:] = look.uniform(70, 170) + look.normal(0, 10, 3)
        contrast = look.uniform(8, 25)
        canvas += ground(rng, SIDE).astype(np.float32)[..., None] * contrast
        data._shapes(look, canvas)
        if bad:
            mark = np.zeros_like(canvas)
            while np.abs(mark).max() < 12:
                mark[:] = 0
                data._marks(rng, mark)
            canvas += mark
        canvas = canvas * rng.uniform(0.95, 1.05) + rng.normal(0, 2.5, canvas.shape[:2])[..., None]
        return torch.from_numpy(np.clip(canvas, 0, 255).astype(np.uint8)).permute(2, 0, 1)[None].float()

    good = [part(i, False) for i in range(TAUGHT + TESTED)]
    return good[:TAUGHT], good[TAUGHT:], [part(1000 + i, True) for i in range(TESTED)]


@torch.no_grad()
def auroc(maps):
    """maps: picture, 1x3xHxW 0..255 -> taps at 1/4, 1/8, 1/16. Mean image AUROC over all kinds."""
    total = 0.0
    for kind in range(KINDS):
        join = lambda x: torch.cat(detect.grid(maps(x), 3), 1)[0].permute(1, 2, 0).float()
        taught, good, bad = ([join(x) for x in group] for group in _parts(kind))
        x = torch.cat([m.reshape(-1, m.shape[-1]) for m in taught])
        w = 1 / x.std(0).clamp_min(1e-3)
        x = x * w
        bank = x[detect.k_center(x, BANK)]
        score = lambda m: float(detect.smooth(detect.nearest((m * w).reshape(-1, m.shape[-1]), bank).reshape(m.shape[:2])).max())
        total += detect.auroc([score(m) for m in good], [score(m) for m in bad])
    return total / KINDS
