"""Feature networks in float, teachers and students, under the product's own detector (bench/detect, in C).

Pictures are resized, brought to the good parts' brightness and run here; taps meet on the 1/8 grid, averaged over 3x3 cells with zeros
beyond the border, and are handed over as s8. Bank, folds, smoothing and the joining of scales are the product's. Prints image AUROC.

    python3 detect.py --build BUILD --pretrain DIR --data DIR --net mobilenetv2,resnet18,RUN/base.pt,RUN/base-int8.pt [--sets a,b]

A network is a teacher's name, a float student (distill.py) or its integer form (quantize.py, held on the integer grid).
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import net as student_net

MAGIC = 0x54414546
SETS = ('castings', 'bottle', 'metal_nut', 'cookies', 'magnetic_tile')


def listing(folder, limit, seed=0):
    names = sorted(os.path.join(r, f) for r, _, fs in os.walk(folder) for f in fs)
    if limit and len(names) > limit:
        names = [names[i] for i in sorted(np.random.default_rng(seed).permutation(len(names))[:limit])]
    return names


def picture(path, short, luma=None):
    """1x3xHxW; its brightness scaled to luma, if given, within a factor of two."""
    image = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    h, w = image.shape[:2]
    s = short / min(h, w)
    size = [max(64, int(round(v * s / 16)) * 16) for v in (w, h)]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if s < 1 else cv2.INTER_LINEAR)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    return x if luma is None else (x * float(np.clip(luma / brightness(x), 0.5, 2))).round().clamp(0, 255)


def brightness(x):
    return float((x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1).mean())


class Features:
    def __init__(self, name, pretrain):
        sys.path.insert(0, pretrain)
        import teachers
        self.kind, self.unit = name, None
        if name in ('mobilenetv2', 'resnet18'):
            self.net = teachers.load(name)
            self.taps = ('s4', 's8', 's16b') if name == 'mobilenetv2' else ('layer1', 'layer2', 'layer3')
        else:
            s = torch.load(name, weights_only=False)
            self.net = student_net.Student(s.get('size', 'base')).eval()
            self.net.load_state_dict(s['state'])
            self.unit = 1 / 24                       # students speak in deviations already
            self.keys = [b[0] for b in self.net.spec['blocks']]
            if 'steps' in s:
                import quantize
                self.net = quantize.Quant(self.net)
                self.net.steps = s['steps']

    def dim(self):
        return sum(m.shape[1] for m in self.maps(torch.zeros(1, 3, 64, 64)))

    @torch.no_grad()
    def maps(self, x):
        """x: 1x3xHxW, 0..255 -> the taps' maps."""
        if self.kind in ('mobilenetv2', 'resnet18'):
            out = self.net(x / 255)
            return [out[t] for t in self.taps]
        out = dict(zip(self.keys, self.net((x - 128) / 128)))
        return [out[k] for k in student_net.TAPS]


def grid(maps, box, border='zero'):
    """Taps joined on the 1/8 grid -> H x W x C."""
    size = maps[1].shape[-2:]
    out = []
    for m in maps:
        if m.shape[-1] > size[1]:
            m = F.avg_pool2d(m, 2)
        elif m.shape[-1] < size[1]:
            m = F.interpolate(m, size=size, mode='bilinear')
        if box > 1:
            m = F.avg_pool2d(m, box, 1, box // 2) if border == 'zero' else F.avg_pool2d(F.pad(m, (box // 2,) * 4, mode=border), box, 1)
        out.append(m)
    return out


def k_center(x, want):
    """Greedy k-center, x: N x D float32 -> want indices."""
    norm = x.square().sum(1)
    c = int((x - x.mean(0)).square().sum(1).argmin())
    best = torch.full((len(x),), float('inf'))
    chosen = []
    for _ in range(min(want, len(x))):
        chosen.append(c)
        best = torch.minimum(best, norm - 2 * (x @ x[c]) + norm[c])
        c = int(best.argmax())
    return chosen


def nearest(x, bank):
    return (x.square().sum(1, keepdim=True) - 2 * x @ bank.T + bank.square().sum(1)).clamp_min(0).min(1).values.sqrt()


def smooth(z):
    k = torch.tensor([1., 4, 6, 4, 1]) / 16
    z = F.pad(z[None, None], (2, 2, 2, 2), mode='replicate')
    return F.conv2d(F.conv2d(z, k.view(1, 1, 1, 5)), k.view(1, 1, 5, 1))[0, 0]


def auroc(good, bad):
    good, bad = np.asarray(good), np.asarray(bad)
    r = np.concatenate([good, bad]).argsort().argsort()
    return (r[len(good):].sum() - len(bad) * (len(bad) - 1) / 2) / (len(good) * len(bad))


def write(path, features, taught, good, bad, short, a):
    """One scale of a set for bench/detect: every picture's cells as s8. One unit for all channels, from the good parts."""
    luma = float(np.sort([brightness(picture(n, short)) for n in taught])[(len(taught) - 1) // 2]) if a.exposure else None

    def cells(name):
        return torch.cat(grid(features.maps(picture(name, short, luma)), a.box, a.border), 1)[0].permute(1, 2, 0)

    if features.unit is None:
        some = torch.cat([cells(n).reshape(-1) for n in taught[::max(1, len(taught) // 40)]])
        features.unit = float(some.std()) / a.step
    with open(path, 'wb') as f:
        f.write(np.array([MAGIC, features.dim(), len(taught), len(good), len(bad)], '<i4').tobytes())
        for n in taught + good + bad:
            c = (cells(n) / features.unit).round().clamp(-127, 127).to(torch.int8).numpy()
            f.write(np.array([c.shape[1], c.shape[0]], '<i4').tobytes() + c.tobytes())


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--pretrain', required=True); a.add_argument('--data', required=True); a.add_argument('--build', required=True)
    a.add_argument('--net', default='mobilenetv2'); a.add_argument('--sets', default=','.join(SETS))
    a.add_argument('--scales', default='160,320'); a.add_argument('--box', type=int, default=3)
    a.add_argument('--goods', type=int, default=0, help='at most so many good parts to teach from; 0: all')
    a.add_argument('--border', default='zero', choices=('replicate', 'reflect', 'zero'))
    a.add_argument('--step', type=float, default=16, help='feature steps in one deviation of a teacher\'s channels')
    a.add_argument('--exposure', type=int, default=1); a.add_argument('--threads', type=int, default=2)
    a = a.parse_args()
    torch.set_num_threads(a.threads)
    for net_name in a.net.split(','):
        for name in a.sets.split(','):
            f, t0, root = Features(net_name, a.pretrain), time.time(), os.path.join(a.data, name)
            bad = [n for d in sorted(os.listdir(f'{root}/test')) if d != 'good' for n in listing(f'{root}/test/{d}', 0)]
            taught, good = listing(f'{root}/train/good', a.goods), listing(f'{root}/test/good', 0)
            with tempfile.TemporaryDirectory() as folder:
                paths = [os.path.join(folder, f'{s}.bin') for s in a.scales.split(',')]
                for path, short in zip(paths, a.scales.split(',')):
                    write(path, f, taught, good, bad, int(short), a)
                out = subprocess.run([os.path.join(a.build, 'bench', 'detect')] + paths, check=True, capture_output=True, text=True).stdout
            print(f'{os.path.basename(net_name)} {name} {len(taught)}+{len(good)}/{len(bad)} {out.strip()} {time.time() - t0:.0f}s', flush=True)


if __name__ == '__main__':
    main()
