"""Generated data sets of kinds that no public set has, in the layout of `assay eval`; the same seed makes the same pictures.

    python3 make_parts.py KIND FOLDER [--good 60] [--test 100] [--seed 1]

large     2448x2048 grey, a machined housing face; defects: one pore of 12 px at 25 % contrast
strip     500x1260, a brushed band, its edge wandering; defects: scratches, dents
grid      512x512, a fine woven mesh; defects: a broken or a doubled wire
missing   512x384, a board with six components at fixed places; defects: one is missing, one is swapped
rotating  400x400, a gear at any angle; defects: a tooth is cut short, a hole is closed
"""
import argparse
import os

import cv2
import numpy as np


def smooth_noise(rng, h, w, cell_px, amount):
    coarse = rng.normal(0, amount, (h // cell_px + 2, w // cell_px + 2)).astype(np.float32)
    return cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)


def finish(rng, image, noise):
    h, w = image.shape[:2]
    light = (1 + smooth_noise(rng, h, w, max(h, w) // 2, 0.02)) * np.float32(rng.uniform(0.96, 1.04))
    image = image * light.reshape(light.shape + (1,) * (image.ndim - 2))
    image = cv2.GaussianBlur(image, (0, 0), 0.8) + np.float32(noise) * rng.standard_normal(image.shape, np.float32)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


def spot(image, x, y, diameter, contrast):
    """A round pore with an edge of one pixel, darker than what is around it by the contrast."""
    r = int(diameter) + 3
    x0, y0 = int(x) - r, int(y) - r
    yy, xx = np.mgrid[y0:y0 + 2 * r, x0:x0 + 2 * r]
    inside = np.clip(diameter / 2 + 0.5 - np.hypot(xx - x, yy - y), 0, 1)
    image[y0:y0 + 2 * r, x0:x0 + 2 * r] *= 1 - contrast * inside
    return lambda mask: mask.__setitem__((slice(y0, y0 + 2 * r), slice(x0, x0 + 2 * r)), (inside > 0.5) * 255)


def large(rng, kind):
    h, w = 2048, 2448
    image = np.full((h, w), 150, np.float32)
    brushed = cv2.GaussianBlur(14 * rng.standard_normal((h, w), np.float32), (0, 0), sigmaX=9, sigmaY=0.7)
    image += brushed + smooth_noise(rng, h, w, 200, 2.5)
    dx, dy = rng.uniform(-4, 4, 2)
    bores = [(620, 600, 260), (1750, 700, 330), (1180, 1500, 210), (300, 1700, 90), (2150, 1650, 110)]
    shift = 4  # of OpenCV's fixed point
    for x, y, r in bores:
        at = (int((x + dx) * 16), int((y + dy) * 16))
        cv2.circle(image, at, r * 16 + 400, 186, -1, cv2.LINE_AA, shift)
        cv2.circle(image, at, r * 16, 38, -1, cv2.LINE_AA, shift)
    cv2.rectangle(image, (0, 0), (w - 1, h - 1), 60, 48)
    marks = []
    if kind:
        while True:
            x, y = rng.uniform(80, w - 80), rng.uniform(80, h - 80)
            if all(abs(np.hypot(x - bx, y - by) - r - 12) > 60 and np.hypot(x - bx, y - by) > r for bx, by, r in bores):
                break
        marks.append(spot(image, x, y, 12, 0.25))
    return finish(rng, image, 3), marks


def strip(rng, kind):
    h, w = 1260, 500
    image = np.full((h, w), 120, np.float32)
    image += cv2.GaussianBlur(20 * rng.standard_normal((h, w), np.float32), (0, 0), sigmaX=0.7, sigmaY=12)
    edge = 40 + smooth_noise(rng, h, 1, 160, 4)[:, 0] + rng.uniform(-4, 4)
    columns = np.arange(w)[None]
    image[(columns < edge[:, None]) | (columns > w - edge[:, None])] = 30
    marks = []
    if kind == 'scratch':
        x, y, angle, n = rng.uniform(90, w - 90), rng.uniform(60, h - 60), rng.uniform(0, np.pi), rng.uniform(30, 90)
        ends = [(int(x + s * n / 2 * np.cos(angle)), int(y + s * n / 2 * np.sin(angle))) for s in (-1, 1)]
        layer = np.zeros((h, w), np.uint8)
        cv2.line(layer, *ends, 255, 2, cv2.LINE_AA)
        image += layer * (55 / 255)
        marks.append(lambda mask: np.maximum(mask, (layer > 127) * np.uint8(255), out=mask))
    elif kind == 'dent':
        marks.append(spot(image, rng.uniform(90, w - 90), rng.uniform(60, h - 60), rng.uniform(14, 30), 0.3))
    return finish(rng, image, 3), marks


def grid(rng, kind):
    h = w = 512
    pitch, (px, py) = 12, rng.uniform(0, 12, 2)
    image = np.full((h, w), 70, np.float32)
    wires = [[], []]
    for axis, phase in ((0, px), (1, py)):
        for at in np.arange(phase - 2 * pitch, w + 2 * pitch, pitch):
            wires[axis].append(at + rng.normal(0, 0.4))
    odd = (int(rng.integers(0, 2)), int(rng.integers(6, len(wires[0]) - 6)), int(rng.integers(60, 440)))
    marks = []
    for axis in (0, 1):
        for i, at in enumerate(wires[axis]):
            image_axis = image if axis else image.T
            profile = 110 * np.exp(-0.5 * ((np.arange(h) - at) / 1.8) ** 2).astype(np.float32)
            along = np.ones(w, np.float32)
            if kind and (axis, i) == odd[:2]:
                along[odd[2] - 14:odd[2] + 14] = 0 if kind == 'broken' else 1.8
                lo, hi, a, b = int(at) - 3, int(at) + 4, odd[2] - 14, odd[2] + 14
                where = (slice(lo, hi), slice(a, b)) if axis else (slice(a, b), slice(lo, hi))
                marks.append(lambda mask, where=where: mask.__setitem__(where, 255))
            image_axis += profile[:, None] * along[None]
    return finish(rng, image, 4), marks


def missing(rng, kind):
    h, w = 384, 512
    image = np.zeros((h, w, 3), np.float32) + (60, 95, 40)
    image += smooth_noise(rng, h, w, 60, 2)[..., None]
    dx, dy = rng.uniform(-2, 2, 2)
    body = [(40, 40, 45), (150, 130, 90), (35, 60, 130)]
    places = [(60, 60, 70, 46, 0), (200, 60, 60, 60, 0), (380, 70, 50, 90, 1), (80, 230, 90, 60, 2), (240, 240, 44, 44, 1),
              (390, 250, 60, 70, 2)]
    odd = int(rng.integers(0, 6))
    marks = []
    for i, (x, y, bw, bh, colour) in enumerate(places):
        a, b = (int((x + dx) * 16), int((y + dy) * 16)), (int((x + bw + dx) * 16), int((y + bh + dy) * 16))
        if kind and i == odd:
            marks.append(lambda mask, p=(x, y, bw, bh): mask.__setitem__(
                (slice(p[1], p[1] + p[3]), slice(p[0], p[0] + p[2])), 255))
            if kind == 'missing':
                continue
            colour = (colour + 1) % 3
        cv2.rectangle(image, a, b, tuple(float(v) for v in body[colour]), -1, cv2.LINE_AA, 4)
        cv2.rectangle(image, a, b, (190, 190, 185), 3, cv2.LINE_AA, 4)
    return finish(rng, image, 3), marks


def rotating(rng, kind):
    h = w = 400
    image = np.full((h, w), 45, np.float32)
    angle, cx, cy = rng.uniform(0, 2 * np.pi), 200 + rng.uniform(-5, 5), 200 + rng.uniform(-5, 5)
    yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
    theta = (np.arctan2(yy - cy, xx - cx) - angle) % (2 * np.pi)
    radius = np.hypot(xx - cx, yy - cy)
    tooth = np.floor(theta / (2 * np.pi / 24)).astype(int)
    outer = np.where(theta % (2 * np.pi / 24) < np.pi / 24, 160.0, 140.0)
    marks, odd = [], int(rng.integers(0, 24))
    cut = (tooth == odd) & (radius > 142) & (outer > 150)
    if kind == 'tooth':
        outer[tooth == odd] = 140
        marks.append(lambda mask: mask.__setitem__(cut & (radius < 160), 255))
    texture = smooth_noise(rng, h, w, 5, 5)
    image = np.where(radius < outer, 150 + texture, image)
    for i in range(5):
        hx, hy = cx + 85 * np.cos(angle + i * 2 * np.pi / 5), cy + 85 * np.sin(angle + i * 2 * np.pi / 5)
        hole = np.hypot(xx - hx, yy - hy) < 20
        if kind == 'closed' and i == odd % 5:
            marks.append(lambda mask, hole=hole: mask.__setitem__(hole, 255))
            continue
        image[hole] = 45
    image[radius < 30] = 45
    return finish(rng, image.astype(np.float32), 3), marks


KINDS = {'large': (large, ['pore']), 'strip': (strip, ['scratch', 'dent']), 'grid': (grid, ['broken', 'doubled']),
         'missing': (missing, ['missing', 'swapped']), 'rotating': (rotating, ['tooth', 'closed'])}


def write(folder, name, image):
    os.makedirs(folder, exist_ok=True)
    cv2.imwrite(os.path.join(folder, name), image)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('kind', choices=sorted(KINDS))
    p.add_argument('folder')
    p.add_argument('--good', type=int, default=60)
    p.add_argument('--test', type=int, default=100, help='good parts to test, and as many defects together')
    p.add_argument('--seed', type=int, default=1)
    args = p.parse_args()
    make, defects = KINDS[args.kind]
    jobs = [('train/good', None, args.good), ('test/good', None, args.test)]
    jobs += [('test/' + d, d, args.test // len(defects)) for d in defects]
    for stream, (where, kind, count) in enumerate(jobs):
        for i in range(count):
            rng = np.random.default_rng([args.seed, stream, i])
            image, marks = make(rng, kind)
            name = f'{i:03d}'
            write(os.path.join(args.folder, where), name + ('.pgm' if args.kind == 'large' else '.png'), image)
            if marks and args.kind != 'large':
                mask = np.zeros(image.shape[:2], np.uint8)
                for mark in marks:
                    mark(mask)
                write(os.path.join(args.folder, 'ground_truth', kind), name + '_mask.png', mask)


if __name__ == '__main__':
    main()
