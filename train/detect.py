"""The detector in float, to compare feature networks under one detector (the product's own is in C).

Taps on the 1/8 grid, 3x3 average with zeros beyond the border, greedy k-center bank, distance to the nearest,
5x5 binomial smoothing, maximum. Prints image AUROC per data set.

    python3 detect.py --pretrain DIR --data DIR [--net mobilenetv2|resnet18|RUN/float.pt|RUN/last.pt] [--sets a,b]
"""
import argparse
import os
import sys
import time

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import net as student_net

SETS = ('castings', 'bottle', 'metal_nut', 'cookies', 'magnetic_tile')


def listing(folder, limit, seed=0):
    names = sorted(os.path.join(r, f) for r, _, fs in os.walk(folder) for f in fs)
    if limit and len(names) > limit:
        names = [names[i] for i in sorted(np.random.default_rng(seed).permutation(len(names))[:limit])]
    return names


def picture(path, short):
    image = cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    h, w = image.shape[:2]
    s = short / min(h, w)
    size = [max(64, int(round(v * s / 16)) * 16) for v in (w, h)]
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if s < 1 else cv2.INTER_LINEAR)
    return torch.from_numpy(image).permute(2, 0, 1)[None].float()


class Features:
    def __init__(self, name, pretrain):
        sys.path.insert(0, pretrain)
        import teachers
        self.kind = name
        if name in ('mobilenetv2', 'resnet18'):
            self.net = teachers.load(name)
            self.taps = ('s4', 's8', 's16b') if name == 'mobilenetv2' else ('layer1', 'layer2', 'layer3')
        else:
            s = torch.load(name, weights_only=False)
            self.net = student_net.Student(s.get('size', 'base')).eval()
            self.net.load_state_dict(s['state'] if 'state' in s else s['smooth'])
            self.keys = [b[0] for b in self.net.spec['blocks']]
            self.unit = s['unit']
            self.taps = ('s4', 's8', 's16')

    @torch.no_grad()
    def maps(self, x):
        """x: 1x3xHxW, 0..255 -> the taps' maps in the teacher's own units."""
        if self.kind in ('mobilenetv2', 'resnet18'):
            out = self.net(x / 255)
            return [out[t] for t in self.taps]
        out = dict(zip(self.keys, self.net((x - 128) / 128)))
        return [out[k] * self.unit[student_net.STAGE[k]] for k in student_net.TAPS]


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


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--pretrain', required=True); a.add_argument('--data', required=True)
    a.add_argument('--net', default='mobilenetv2'); a.add_argument('--sets', default=','.join(SETS))
    a.add_argument('--short', type=int, default=256); a.add_argument('--goods', type=int, default=150)
    a.add_argument('--bads', type=int, default=160); a.add_argument('--bank', type=int, default=2000)
    a.add_argument('--box', type=int, default=3); a.add_argument('--use', default='0,1,2')
    a.add_argument('--border', default='zero', choices=('replicate', 'reflect', 'zero'))
    a.add_argument('--power', type=float, default=1.0, help='0: taps raw, 1: every channel by its deviation')
    a.add_argument('--threads', type=int, default=2); a.add_argument('--cache', default='')
    a = a.parse_args()
    torch.set_num_threads(a.threads)
    f = Features(a.net, a.pretrain)
    use = [int(v) for v in a.use.split(',')]
    for name in a.sets.split(','):
        t0 = time.time()
        root = os.path.join(a.data, name)
        key = f'{a.cache}/{os.path.basename(a.net)}-{name}-{a.short}-{a.goods}-{a.bads}.pt' if a.cache else ''
        if key and os.path.exists(key):
            train, good, bad = torch.load(key)
        else:
            test = [d for d in sorted(os.listdir(f'{root}/test')) if d != 'good']
            bad_names = [n for d in test for n in listing(f'{root}/test/{d}', 0)]
            if len(bad_names) > a.bads:
                bad_names = [bad_names[i] for i in sorted(np.random.default_rng(0).permutation(len(bad_names))[:a.bads])]
            take = lambda names: [[m.half() for m in f.maps(picture(n, a.short))] for n in names]
            train, good, bad = (take(listing(f'{root}/train/good', a.goods)), take(listing(f'{root}/test/good', 0)), take(bad_names))
            if key:
                torch.save((train, good, bad), key)
        join = lambda m: torch.cat([v for i, v in enumerate(grid([w.float() for w in m], a.box, a.border)) if i in use], 1)[0].permute(1, 2, 0)
        train = [join(m) for m in train]
        x = torch.cat([m.reshape(-1, m.shape[-1]) for m in train])
        w = x.std(0).clamp_min(1e-3) ** -a.power
        x = x * w
        bank = x[k_center(x, a.bank)]
        score = {'max': [], 'smooth': [], 'top3': [], 'top1%': []}
        for group in (good, bad):
            for v in score.values():
                v.append([])
            for m in group:
                m = join(m)
                z = nearest((m * w).reshape(-1, m.shape[-1]), bank).reshape(m.shape[:2])
                s = z.flatten().sort(descending=True).values
                for k, v in (('max', s[0]), ('smooth', smooth(z).max()), ('top3', s[:3].mean()), ('top1%', s[:max(1, len(s) // 100)].mean())):
                    score[k][-1].append(float(v))
        print(name, f'{len(train)}+{len(good)}/{len(bad)}', ' '.join(f'{k} {auroc(*v):.4f}' for k, v in score.items()), f'{time.time() - t0:.0f}s', flush=True)


if __name__ == '__main__':
    main()
