"""Distil the student from MobileNetV2, on a CPU: first every block alone on its teacher's inputs, then end to end.

    python3 distill.py --pretrain DIR --out run/ [--size base,tiny] [--seed 1]

Writes run/last.pt every 250 steps and continues from it exactly as if it had not been stopped; run/base.pt and run/tiny.pt
when done. Fixed seed, fixed step counts.
"""
import argparse
import copy
import math
import os
import time

import torch
import torch.nn.functional as F

import data
import muon
import net
import watch

MARGIN = 16          # the teacher sees this much more on every side, so its padding stays out of the target
CROP = 160


def args():
    a = argparse.ArgumentParser()
    a.add_argument('--pretrain', required=True, help='folder with teachers.py, its weights and photos/')
    a.add_argument('--out', required=True)
    a.add_argument('--size', default='base,tiny', help='students to train side by side, from one teacher and one stream')
    a.add_argument('--seed', type=int, default=1)
    a.add_argument('--batch', type=int, default=24)
    a.add_argument('--block-steps', type=int, default=1000)
    a.add_argument('--steps', type=int, default=4200)
    a.add_argument('--threads', type=int, default=1, help='with more, sums have another order and other last bits')
    return a.parse_args()


def error(y, t, crop):
    """Mean over channels of squared error over the target's own variance."""
    if crop:
        y, t = y[:, :, crop:-crop, crop:-crop], t[:, :, crop:-crop, crop:-crop]
    t = t.float()
    return ((y.float() - t).square().mean((0, 2, 3)) / t.var((0, 2, 3)).clamp_min(1e-3)).mean()


def block_losses(student, x, maps):
    """Each block on its teacher's own input; units change where a stage begins."""
    out = {}
    for spec, block in zip(student.spec['blocks'], student.blocks):
        k = spec[0]
        y = block(student.stem(x)) if k == 1 else block(maps[previous(student, k)])
        out[k] = error(y, maps[k], 2)
    return out


def previous(student, k):
    keys = [b[0] for b in student.spec['blocks']]
    return keys[keys.index(k) - 1]


def chain_losses(student, x, maps):
    """The whole student on the inner crop against the teacher that saw the margin too."""
    inner = x[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN].contiguous(memory_format=torch.channels_last)
    out = {}
    for spec, y in zip(student.spec['blocks'], student(inner)):
        t = maps[spec[0]]
        m = MARGIN * t.shape[-1] // x.shape[-1]
        out[spec[0]] = error(y, t[:, :, m:-m, m:-m], 0)
    return out


class Run:
    """One student on its way, with its average and its optimisers: Muon for the matrices, Adam for biases and the first layer."""

    def __init__(self, size, seed):
        torch.manual_seed(seed)
        self.size = size
        self.student = net.Student(size).to(memory_format=torch.channels_last)
        self.smooth = copy.deepcopy(self.student)
        matrices = [p for n, p in self.student.named_parameters() if p.dim() == 4 and n != 'stem0.weight']
        others = [p for n, p in self.student.named_parameters() if p.dim() != 4 or n == 'stem0.weight']
        self.muon, self.adam = muon.Muon(matrices), torch.optim.Adam(others)
        self.seen = {}

    def save(self):
        return dict(student=self.student.state_dict(), smooth=self.smooth.state_dict(), adam=self.adam.state_dict(), muon=self.muon.state_dict(), seen=self.seen)

    def load(self, s):
        self.student.load_state_dict(s['student']); self.smooth.load_state_dict(s['smooth']); self.adam.load_state_dict(s['adam'])
        self.muon.load_state_dict(s['muon'])
        self.seen = s['seen']

    def step(self, x, maps, alone, rate, keep):
        for optimiser, factor in ((self.adam, 1), (self.muon, 10)):
            for g in optimiser.param_groups:
                g['lr'] = rate * factor
        with torch.autocast('cpu', dtype=torch.bfloat16):
            losses = (block_losses if alone else chain_losses)(self.student, x, maps)
        loss = sum((1.0 if alone or k in net.TAPS else 0.3) * v for k, v in losses.items())
        self.student.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.adam.step()
        self.muon.step()
        with torch.no_grad():
            for p, q in zip(self.smooth.parameters(), self.student.parameters()):
                p.mul_(keep).add_(q, alpha=1 - keep)
        for k, v in losses.items():
            self.seen[k] = self.seen.get(k, v.item()) * 0.98 + 0.02 * v.item()

    def maps(self, x):
        keys = [b[0] for b in self.student.spec['blocks']]
        return [y for k, y in zip(keys, self.smooth((x - 128) / 128)) if k in net.TAPS]


def main():
    a = args()
    torch.set_num_threads(a.threads)
    sizes = a.size.split(',')
    os.makedirs(a.out, exist_ok=True)
    photos = data.load_photos(os.path.join(a.pretrain, 'photos'))
    teacher = net.Teacher(a.pretrain)
    runs = [Run(size, a.seed) for size in sizes]
    step, last = 0, os.path.join(a.out, 'last.pt')
    if os.path.exists(last):
        s = torch.load(last, weights_only=False)
        if sorted(s['runs']) != sorted(sizes):
            raise SystemExit(f'{last}: holds {", ".join(s["runs"])}, not {a.size}; choose another --out')
        for run in runs:
            run.load(s['runs'][run.size])
        step, teacher.unit = s['step'], s['unit']
        stream = data.Stream(photos, a.seed, state=s['stream'])
    else:
        stream = data.Stream(photos, a.seed)
        x = torch.from_numpy(stream.batch(96, CROP + 2 * MARGIN)).float() / 255
        teacher.fit_units(x.to(memory_format=torch.channels_last), 32)
    total, began = a.block_steps + a.steps, time.time()
    while step < total:
        alone = step < a.block_steps
        t = step / a.block_steps if alone else (step - a.block_steps) / a.steps
        warm = min(1.0, (step if alone else step - a.block_steps) / 100 + 0.01)
        rate = (2e-3 if alone else 1e-3) * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * t)))
        keep = min(0.998, (step + 1) / (step + 10)) if step != a.block_steps else 0.0
        x = torch.from_numpy(stream.batch(a.batch, CROP + 2 * MARGIN)).to(memory_format=torch.channels_last).float()
        maps = teacher(x / 255)
        for run in runs:
            run.step((x - 128) / 128, maps, alone, rate, keep)
        step += 1
        if step % 50 == 0:
            for run in runs:
                print(f'{step}/{total} {time.time() - began:.0f}s {run.size}', ' '.join(f'{k}:{v:.3f}' for k, v in run.seen.items()), flush=True)
        if step % 250 == 0 or step == total:
            torch.save(dict(runs={r.size: r.save() for r in runs}, step=step, unit=teacher.unit, stream=stream.state()), last + '.new')
            os.replace(last + '.new', last)
        if step % 1000 == 0 and not alone:
            print(f'{step}/{total} detection on generated parts:', ' '.join(f'{r.size} {watch.auroc(r.maps):.4f}' for r in runs), flush=True)
    for run in runs:
        torch.save(dict(size=run.size, state=run.smooth.state_dict(), unit=teacher.unit, seen=run.seen), os.path.join(a.out, f'{run.size}.pt'))


if __name__ == '__main__':
    main()
