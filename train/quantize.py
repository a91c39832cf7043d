"""From the float student to the integer network: calibrate, train quantisation-aware for a while, write the .net file.

    python3 quantize.py --pretrain DIR --run run/ --size base --out ../models/base.net [--steps 1000]

Activations are u8 (hidden: zero point 0, bottlenecks: zero point 128), weights s8 per output channel.
Scales come from least squared error on calibration views; borders and rounding are the engine's.
"""
import argparse
import copy
import math
import os
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import data
import distill
import net
import netfile

IMAGE_SCALE, IMAGE_ZERO = 1 / 128, 128


def best_scale(x, low, high):
    """The step with the least squared rounding error of x on the integers low..high."""
    x = x.flatten()
    if x.numel() > 200000:
        x = x[torch.randperm(x.numel())[:200000]]
    top = max(float(x.abs().max()) / 127 if low else float(x.max()) / high, 1e-6)
    steps = [top * k for k in np.linspace(0.25, 1.0, 31)]
    errors = [float((x - (x / s).round().clamp(low, high) * s).square().mean()) for s in steps]
    return steps[int(np.argmin(errors))]


class Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, g):
        return g


def on_grid(x, step, low, high):
    return Round.apply((x / step).clamp(low, high)) * step


def weight_step(w):
    return w.detach().abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-8) / 127


class Quant(nn.Module):
    """The student with every tensor held on the integer grid; gradients pass straight through."""

    def __init__(self, student):
        super().__init__()
        self.student = student
        self.steps = {}                              # tensor name -> activation step
        self.watch = None

    def act(self, name, x, low, high):
        if self.watch is not None:
            self.watch.setdefault(name, []).append(x.detach().float())
            if name not in self.steps:
                return x
        return on_grid(x.float(), self.steps[name], low, high)

    def conv(self, x, m, stride=0):
        w = on_grid(m.weight, weight_step(m.weight), -127, 127)
        return net.conv3(x, w, m.bias, stride) if stride else F.conv2d(x, w, m.bias)

    def forward(self, x):
        s = self.student
        x = self.act('stem0', F.relu(self.conv(x, s.stem0, 2)), 0, 255)
        x = self.act('stem1', F.relu(self.conv(x, s.stem1, 1)), 0, 255)
        out = []
        for i, b in enumerate(s.blocks):
            h = self.act(f'h{i}', F.relu(self.conv(x, b.a, b.stride)), 0, 255)
            y = self.conv(h, b.b)
            x = self.act(f'b{i}', x + y if b.res else y, -127, 127)
            out.append(x)
        return out

    @torch.no_grad()
    def calibrate(self, batches):
        """Tensor by tensor from the input on, each seen after everything before it is on its grid."""
        names = ['stem0', 'stem1'] + [f'{k}{i}' for i in range(len(self.student.blocks)) for k in 'hb']
        for name in names:
            self.watch = {}
            for x in batches:
                self(x)
            x = torch.cat([v.flatten() for v in self.watch[name]])
            self.steps[name] = best_scale(x, *((-127, 127) if name[0] == 'b' else (0, 255)))
        self.watch = None

    def network(self, name):
        """The integer network as netfile.Network, with the engine's arithmetic."""
        s = self.student
        n = netfile.Network(name, align=16)
        tensor, step, zero = n.tensor(3, 1, IMAGE_ZERO, IMAGE_SCALE), IMAGE_SCALE, IMAGE_ZERO

        def conv(src, sstep, szero, m, stride, scale, at, relu, residual=None):
            wstep = weight_step(m.weight)
            w = (m.weight.detach() / wstep).round().clamp(-127, 127).to(torch.int8)
            unit = (wstep.flatten().double() * sstep)
            b = torch.round(m.bias.detach().double() / unit) - szero * w.double().sum((1, 2, 3))
            zp = 0 if relu else 128
            dst = n.tensor(w.shape[0], at, zp, scale)
            n.conv(src, dst, stride=stride, weights=w.permute(0, 2, 3, 1).contiguous().numpy(), bias=b.numpy().astype(np.int32),
                   mult=(unit / scale).float().numpy(), lo=0 if relu else 1, hi=255,
                   residual=residual[0] if residual else -1, residual_mult=residual[1] / scale if residual else 0.0)
            return dst

        at = 2
        for key, m, stride in (('stem0', s.stem0, 2), ('stem1', s.stem1, 1)):
            tensor = conv(tensor, step, zero, m, stride, self.steps[key], at, True)
            step, zero = self.steps[key], 0
        taps = {}
        for i, (spec, b) in enumerate(zip(s.spec['blocks'], s.blocks)):
            at *= b.stride
            h = conv(tensor, step, zero, b.a, b.stride, self.steps[f'h{i}'], at, True)
            t = conv(h, self.steps[f'h{i}'], 0, b.b, 1, self.steps[f'b{i}'], at, False, (tensor, step) if b.res else None)
            tensor, step, zero = t, self.steps[f'b{i}'], 128
            if spec[0] in net.TAPS:
                taps[tensor] = step
        # every tap in the same unit (a channel's own deviation): 1/24 of it is one step of a feature
        for t, step in taps.items():
            n.tap(t, np.full(n.tensors[t][0], round(step * 24 * 256), np.uint16))
        return n


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--pretrain', required=True); a.add_argument('--run', required=True); a.add_argument('--out', required=True)
    a.add_argument('--size', default='base', choices=sorted(net.SIZES)); a.add_argument('--steps', type=int, default=1000)
    a.add_argument('--batch', type=int, default=24); a.add_argument('--seed', type=int, default=1); a.add_argument('--threads', type=int, default=1, help='with more, sums have another order and other last bits')
    a = a.parse_args()
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    saved = torch.load(os.path.join(a.run, f'{a.size}.pt'), weights_only=False)
    student = net.Student(a.size)
    student.load_state_dict(saved['state'])
    student = student.to(memory_format=torch.channels_last)
    teacher = net.Teacher(a.pretrain)
    teacher.unit = saved['unit']
    stream = data.Stream(data.load_photos(os.path.join(a.pretrain, 'photos')), a.seed * 7919)
    side = distill.CROP + 2 * distill.MARGIN
    views = lambda: torch.from_numpy(stream.batch(a.batch, side)).to(memory_format=torch.channels_last).float()
    inner = lambda x: ((x - 128) / 128)[:, :, distill.MARGIN:-distill.MARGIN, distill.MARGIN:-distill.MARGIN].contiguous(memory_format=torch.channels_last)
    q = Quant(student)
    q.calibrate([inner(views()[:8]) for _ in range(4)])

    @torch.no_grad()
    def check(model):
        total = {}
        for x in fixed:
            for spec, y in zip(student.spec['blocks'], model(inner(x))):
                t = teacher_maps[id(x)][spec[0]]
                m = distill.MARGIN * t.shape[-1] // side
                total[spec[0]] = total.get(spec[0], 0) + float(distill.error(y, t[:, :, m:-m, m:-m], 0)) / len(fixed)
        return {net.TAPS[k]: round(v, 4) for k, v in total.items() if k in net.TAPS}

    fixed = [views() for _ in range(4)]
    teacher_maps = {id(x): teacher(x / 255) for x in fixed}
    print('float', check(student)); print('int8 after calibration', check(q), flush=True)
    if a.steps:
        smooth = copy.deepcopy(student)
        adam = torch.optim.Adam(student.parameters(), lr=1e-4)
        began = time.time()
        for step in range(a.steps):
            for g in adam.param_groups:
                g['lr'] = 1.5e-4 * min(1, step / 50 + 0.02) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / a.steps)))
            x = views()
            maps = teacher(x / 255)
            loss = 0
            with torch.autocast('cpu', dtype=torch.bfloat16):
                for spec, y in zip(student.spec['blocks'], q(inner(x))):
                    t = maps[spec[0]]
                    m = distill.MARGIN * t.shape[-1] // side
                    loss = loss + (1.0 if spec[0] in net.TAPS else 0.3) * distill.error(y, t[:, :, m:-m, m:-m], 0)
            adam.zero_grad(); loss.backward(); adam.step()
            with torch.no_grad():
                keep = min(0.995, (step + 1) / (step + 10))
                for p, w in zip(smooth.parameters(), student.parameters()):
                    p.mul_(keep).add_(w, alpha=1 - keep)
            if (step + 1) % 100 == 0:
                print(step + 1, f'{loss.item():.3f} {time.time() - began:.0f}s', flush=True)
        q.student = student = smooth
        print('int8 after training', check(q))
    n = q.network(a.size)
    n.save(a.out)
    torch.save(dict(size=a.size, state=student.state_dict(), unit=teacher.unit, steps=q.steps),
               os.path.join(a.run, f'{a.size}-int8.pt'))
    # the integer model against the float picture of itself, on one view
    x = stream.batch(1, 160)
    ints = n.run(x[0].transpose(1, 2, 0))
    with torch.no_grad():
        floats = q((torch.from_numpy(x).float() - 128) / 128)
    worst = max(float(np.abs((ints[t].astype(np.float64) - 128) * n.tensors[t][3] - f[0].permute(1, 2, 0).numpy()).mean()) / n.tensors[t][3]
                for t, f in zip([d for d in n.outputs_of_blocks()], floats))
    print(f'{a.out}: {os.path.getsize(a.out)} bytes; integer model against its float picture: at most {worst:.3f} steps mean deviation')


if __name__ == '__main__':
    main()
