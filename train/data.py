"""Training images: photographs and procedural surfaces, cropped, warped and degraded like a real camera would.

Everything is drawn from one numpy Generator, so a seed fixes the whole stream.
A batch is uint8, B x 3 x S x S, RGB.
"""
import os
import cv2
import numpy as np

cv2.setNumThreads(1)


def load_photos(folder):
    """All JPEGs of a folder as RGB arrays, in name order."""
    out = []
    for name in sorted(os.listdir(folder)):
        image = cv2.imread(os.path.join(folder, name), cv2.IMREAD_COLOR)
        if image is not None and min(image.shape[:2]) >= 64:
            out.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    if not out:
        raise SystemExit(f'{folder}: no photographs found')
    return out


# --- procedural surfaces -----------------------------------------------------------------

def _spectrum(rng, n, slope, angle=None, aspect=1.0):
    """Noise with a 1/f^slope spectrum, stretched by aspect along angle; zero mean, unit deviation."""
    fy, fx = np.meshgrid(np.fft.fftfreq(n), np.fft.rfftfreq(n), indexing='ij')
    if angle is not None:
        c, s = np.cos(angle), np.sin(angle)
        fx, fy = (c * fx + s * fy) * aspect, (-s * fx + c * fy)
    f = np.hypot(fx, fy)
    f[0, 0] = 1
    shape = f ** -slope
    shape[0, 0] = 0
    z = np.fft.irfft2(shape * np.exp(2j * np.pi * rng.random(f.shape)), (n, n))
    return z / (z.std() + 1e-9)


def _coords(rng, n):
    a = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    c, s = np.cos(a), np.sin(a)
    return c * x + s * y, -s * x + c * y


def _cast(rng, n):
    return _spectrum(rng, n, rng.uniform(0.2, 1.4))


def _brushed(rng, n):
    return _spectrum(rng, n, rng.uniform(0.2, 0.9), rng.uniform(0, np.pi), rng.uniform(5, 40))


def _turned(rng, n):
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    r = np.hypot(x - rng.uniform(-n, 2 * n), y - rng.uniform(-n, 2 * n))
    p = rng.uniform(2, 14)
    return np.sin(2 * np.pi * r / p) + 0.6 * _spectrum(rng, n, 0.5)


def _grid(rng, n):
    u, v = _coords(rng, n)
    p, q = rng.uniform(5, 40, 2)
    duty = rng.uniform(0.15, 0.6)
    line = lambda t, k: ((t / k) % 1 < duty).astype(np.float32)
    return np.maximum(line(u, p), line(v, q)) * 2 - 1


def _weave(rng, n):
    u, v = _coords(rng, n)
    p = rng.uniform(4, 20)
    check = ((u // p + v // p) % 2) * 2 - 1
    return check * 0.7 + np.cos(np.pi * u / p) * 0.5 + np.cos(np.pi * v / p) * 0.5


def _cells(rng, n):
    k = rng.integers(10, 120)
    pts = rng.uniform(0, n, (k, 2)).astype(np.float32)
    seed = np.full((n, n), 255, np.uint8)
    seed[pts[:, 1].astype(int), pts[:, 0].astype(int)] = 0
    dist, label = cv2.distanceTransformWithLabels(seed, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    tone = rng.normal(0, 1, label.max() + 1)
    return tone[label] * rng.uniform(0, 1) + dist / (dist.std() + 1e-6) * rng.uniform(-1, 1)


def _dots(rng, n):
    z = np.zeros((n, n), np.float32)
    for _ in range(rng.integers(20, 300)):
        c = tuple(int(v) for v in rng.integers(0, n, 2))
        cv2.circle(z, c, int(rng.integers(1, 10)), float(rng.normal()), -1, cv2.LINE_AA)
    return z


def _stripes(rng, n):
    u, _ = _coords(rng, n)
    p = rng.uniform(4, 60)
    w = _spectrum(rng, n, 1.5) * rng.uniform(0, 0.3)
    return np.sin(2 * np.pi * u / p + w) * rng.uniform(0.6, 2)


SURFACES = (_cast, _brushed, _turned, _grid, _weave, _cells, _dots, _stripes, _cast, _brushed)


def _shapes(rng, canvas):
    """Turned, drilled and milled things: filled and outlined discs, rings, boxes and polygons with a bevel."""
    n = canvas.shape[0]
    for _ in range(rng.integers(1, 9)):
        c = tuple(int(v) for v in rng.integers(0, n, 2))
        r = int(rng.integers(6, n // 3))
        colour = tuple(float(v) for v in np.clip(rng.uniform(0, 255) + rng.normal(0, 25, 3), 0, 255))
        width = -1 if rng.random() < 0.6 else int(rng.integers(1, 10))
        kind = rng.integers(4)
        mask = np.zeros((n, n), np.uint8)
        if kind == 0:
            cv2.circle(mask, c, r, 255, width, cv2.LINE_AA)
        elif kind == 1:
            cv2.ellipse(mask, c, (r, int(r * rng.uniform(0.2, 1))), float(rng.uniform(0, 360)), 0,
                        float(rng.uniform(90, 360)), 255, width, cv2.LINE_AA)
        elif kind == 2:
            box = cv2.boxPoints((c, (2.0 * r, 2.0 * r * rng.uniform(0.1, 1)), float(rng.uniform(0, 180))))
            cv2.drawContours(mask, [box.astype(np.int32)], 0, 255, width, cv2.LINE_AA)
        else:
            k = rng.integers(3, 9)
            ang = np.sort(rng.uniform(0, 2 * np.pi, k))
            pts = np.stack([c[0] + r * np.cos(ang), c[1] + r * np.sin(ang)], 1).astype(np.int32)
            cv2.drawContours(mask, [pts], 0, 255, width, cv2.LINE_AA)
        a = (mask.astype(np.float32) / 255 * rng.uniform(0.4, 1))[..., None]
        canvas[:] = canvas * (1 - a) + np.float32(colour) * a
        if rng.random() < 0.6:                       # a lit edge on one side, a shadow on the other
            soft = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.8, 3))).astype(np.float32)
            t = rng.uniform(0, 2 * np.pi)
            relief = cv2.Sobel(soft, cv2.CV_32F, 1, 0) * np.cos(t) + cv2.Sobel(soft, cv2.CV_32F, 0, 1) * np.sin(t)
            canvas += relief[..., None] * rng.uniform(0.05, 0.4)


def _marks(rng, canvas):
    """Scratches, pores, stains: what an inspection network must keep apart from the ground."""
    n = canvas.shape[0]
    for _ in range(rng.integers(0, 7)):
        layer = np.zeros((n, n), np.float32)
        kind = rng.integers(3)
        p = rng.uniform(0, n, 2)
        if kind == 0:
            d = rng.uniform(0, 2 * np.pi)
            pts = [p]
            for _ in range(rng.integers(2, 12)):
                d += rng.normal(0, 0.4)
                pts.append(pts[-1] + rng.uniform(4, 20) * np.array([np.cos(d), np.sin(d)]))
            cv2.polylines(layer, [np.array(pts, np.int32)], False, 1.0, int(rng.integers(1, 4)), cv2.LINE_AA)
        elif kind == 1:
            for _ in range(rng.integers(1, 12)):
                q = tuple(int(v) for v in p + rng.normal(0, 12, 2))
                cv2.circle(layer, q, int(rng.integers(1, 6)), 1.0, -1, cv2.LINE_AA)
        else:
            cv2.circle(layer, tuple(int(v) for v in p), int(rng.integers(5, 40)), 1.0, -1)
            layer = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(3, 15)))
        canvas += layer[..., None] * rng.normal(0, 60)


def surface(rng, n):
    """One procedural image, n x n x 3 uint8."""
    canvas = np.empty((n, n, 3), np.float32)
    canvas[:] = rng.uniform(20, 230) + rng.normal(0, 15, 3)
    for _ in range(rng.integers(1, 4)):
        z = SURFACES[rng.integers(len(SURFACES))](rng, n).astype(np.float32)
        canvas += z[..., None] * rng.uniform(3, 45) * (1 + rng.normal(0, 0.15, 3).astype(np.float32))
    if rng.random() < 0.7:
        _shapes(rng, canvas)
    if rng.random() < 0.5:
        canvas += _spectrum(rng, n, 2.0)[..., None] * rng.uniform(0, 30)    # uneven light
    _marks(rng, canvas)
    return np.clip(canvas, 0, 255).astype(np.uint8)


# --- the camera --------------------------------------------------------------------------

def view(rng, image, size):
    """A random view of an image: rotation, zoom, mirror, tone, blur, noise; size x size x 3 uint8."""
    h, w = image.shape[:2]
    span = min(h, w) * np.exp(rng.uniform(np.log(0.35), np.log(1.0)))      # picture side that fills the view
    scale = size / span
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.6 else 0.0
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    mirror = -1 if rng.random() < 0.5 else 1
    slack_x, slack_y = max(w - span, 0) / 2, max(h - span, 0) / 2
    cx, cy = w / 2 + rng.uniform(-slack_x, slack_x), h / 2 + rng.uniform(-slack_y, slack_y)
    m = np.array([[c * mirror, -s, 0], [s * mirror, c, 0]], np.float64)
    m[:, 2] = size / 2 - m[:, :2] @ (cx, cy)
    if scale < 0.7:
        image = cv2.GaussianBlur(image, (0, 0), 0.45 / scale)
    out = cv2.warpAffine(image, m, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    x = out.astype(np.float32)
    if rng.random() < 0.45:
        x[:] = (x @ np.float32([0.299, 0.587, 0.114]))[..., None]
    x = (x - 128) * rng.uniform(0.5, 1.4) + 128 + rng.normal(0, 20)
    if rng.random() < 0.3:
        x *= 1 + rng.normal(0, 0.08, 3).astype(np.float32)
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.4, 1.3)))
    if rng.random() < 0.5:
        x += rng.normal(0, rng.uniform(0.5, 7), x.shape[:2]).astype(np.float32)[..., None]
    return np.clip(x, 0, 255).astype(np.uint8)


class Stream:
    """Endless batches; some photographs, some procedural surfaces from a pool. `state` goes into a checkpoint, so that a
    stopped and continued run sees the very views it would have seen."""

    def __init__(self, photos, seed, pool=500, side=288, state=None):
        self.photos, self.side = photos, side
        self.rng = np.random.default_rng(seed)
        self.seeds = [(seed, i) for i in range(pool)]
        if state:
            self.rng.bit_generator.state, self.seeds = state['rng'], list(state['seeds'])
        self.pool = [self._surface(s) for s in self.seeds]

    def _surface(self, seed):
        return surface(np.random.default_rng(seed), self.side)

    def state(self):
        return dict(rng=self.rng.bit_generator.state, seeds=list(self.seeds))

    def batch(self, count, size):
        out = np.empty((count, 3, size, size), np.uint8)
        for i in range(count):
            pick = self.photos if self.rng.random() < 0.6 else self.pool
            out[i] = view(self.rng, pick[self.rng.integers(len(pick))], size).transpose(2, 0, 1)
        if self.rng.random() < 0.3:                  # the pool changes slowly, so it never runs dry
            slot = int(self.rng.integers(len(self.pool)))
            self.seeds[slot] = (int(self.rng.integers(1 << 31)), slot)
            self.pool[slot] = self._surface(self.seeds[slot])
        return out
