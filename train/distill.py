"""Distil the student from MobileNetV2, on a CPU: first every block alone on its teacher's inputs, then end to end.

    python3 distill.py --pretrain DIR --out run/ [--size base] [--seed 1]

Writes run/last.pt every 250 steps and continues from it; run/float.pt when done. Fixed seed, fixed step counts.
"""
import argparse
import copy
import math
import os
import time

import torch
import torch.nn.functional as F

import data
import net

MARGIN = 16          # the teacher sees this much more on every side, so its padding stays out of the target
CROP = 160


def args():
    a = argparse.ArgumentParser()
    a.add_argument('--pretrain', required=True, help='folder with teachers.py, its weights and photos/')
    a.add_argument('--out', required=True)
    a.add_argument('--size', default='base', choices=sorted(net.SIZES))
    a.add_argument('--seed', type=int, default=1)
    a.add_argument('--batch', type=int, default=24)
    a.add_argument('--block-steps', type=int, default=2000)
    a.add_argument('--steps', type=int, default=7000)
    a.add_argument('--threads', type=int, default=2)
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


def main():
    a = args()
    os.makedirs(a.out, exist_ok=True)
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    photos = data.load_photos(os.path.join(a.pretrain, 'photos'))
    teacher = net.Teacher(a.pretrain)
    student = net.Student(a.size).to(memory_format=torch.channels_last)
    smooth = copy.deepcopy(student)
    adam = torch.optim.Adam(student.parameters(), lr=1e-3)
    step, seen = 0, {}
    last = os.path.join(a.out, 'last.pt')
    if os.path.exists(last):
        s = torch.load(last, weights_only=False)
        student.load_state_dict(s['student']); smooth.load_state_dict(s['smooth']); adam.load_state_dict(s['adam'])
        step, seen, teacher.unit = s['step'], s['seen'], s['unit']
        stream = data.Stream(photos, a.seed * 1000003 + step)
    else:
        stream = data.Stream(photos, a.seed * 1000003)
        x = torch.from_numpy(stream.batch(96, CROP + 2 * MARGIN)).float() / 255
        teacher.fit_units(x.to(memory_format=torch.channels_last), 32)
    total, began = a.block_steps + a.steps, time.time()
    while step < total:
        alone = step < a.block_steps
        t = step / a.block_steps if alone else (step - a.block_steps) / a.steps
        warm = min(1.0, (step if alone else step - a.block_steps) / 100 + 0.01)
        rate = (2e-3 if alone else 1e-3) * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * t)))
        for g in adam.param_groups:
            g['lr'] = rate
        x = torch.from_numpy(stream.batch(a.batch, CROP + 2 * MARGIN)).to(memory_format=torch.channels_last).float()
        maps = teacher(x / 255)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            losses = (block_losses if alone else chain_losses)(student, (x - 128) / 128, maps)
        loss = sum((1.0 if alone or k in net.TAPS else 0.3) * v for k, v in losses.items())
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        adam.step()
        keep = min(0.998, (step + 1) / (step + 10)) if step != a.block_steps else 0.0
        with torch.no_grad():
            for p, q in zip(smooth.parameters(), student.parameters()):
                p.mul_(keep).add_(q, alpha=1 - keep)
        for k, v in losses.items():
            seen[k] = seen.get(k, v.item()) * 0.98 + 0.02 * v.item()
        step += 1
        if step % 50 == 0:
            print(f'{step}/{total} {time.time() - began:.0f}s', ' '.join(f'{k}:{v:.3f}' for k, v in seen.items()), flush=True)
        if step % 250 == 0 or step == total:
            torch.save(dict(student=student.state_dict(), smooth=smooth.state_dict(), adam=adam.state_dict(),
                            step=step, seen=seen, unit=teacher.unit), last + '.new')
            os.replace(last + '.new', last)
    torch.save(dict(size=a.size, state=smooth.state_dict(), unit=teacher.unit, seen=seen), os.path.join(a.out, 'float.pt'))


if __name__ == '__main__':
    main()
