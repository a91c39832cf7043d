"""The student network: fused inverted bottlenecks (dense 3x3 + ReLU, then linear 1x1), and its teacher's view.

Geometry is the engine's: borders are replicated, a stride-2 3x3 window covers rows 2i .. 2i+2.
Bottleneck tensors are kept in units of their deviation per channel (`unit`), which suits 8 bits.
"""
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F

# teacher block it answers to, channels in, hidden, out, stride
BASE = dict(stem=(16, 24), blocks=[
    (1, 24, 96, 24, 2), (2, 24, 64, 24, 1),
    (3, 24, 192, 32, 2), (4, 32, 128, 32, 1), (5, 32, 128, 32, 1),
    (6, 32, 320, 64, 2), (7, 64, 192, 64, 1), (8, 64, 192, 64, 1), (9, 64, 192, 64, 1),
    (10, 64, 384, 96, 1), (11, 96, 288, 96, 1), (12, 96, 288, 96, 1)])
TINY = dict(stem=(8, 16), blocks=[
    (1, 16, 48, 24, 2), (2, 24, 32, 24, 1),
    (3, 24, 64, 32, 2), (4, 32, 48, 32, 1), (5, 32, 48, 32, 1),
    (6, 32, 160, 64, 2), (8, 64, 96, 64, 1), (9, 64, 96, 64, 1),
    (10, 64, 192, 96, 1), (12, 96, 128, 96, 1)])
SIZES = {'base': BASE, 'tiny': TINY}
TAPS = {2: 's4', 5: 's8', 12: 's16'}          # teacher block -> tap name
STAGE = {1: 2, 2: 2, 3: 5, 4: 5, 5: 5, 6: 9, 7: 9, 8: 9, 9: 9, 10: 12, 11: 12, 12: 12}  # block -> block that sets its unit


def conv3(x, w, b, stride):
    x = F.pad(x, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1), mode='replicate')
    return F.conv2d(x, w, b, stride)


class Block(nn.Module):
    def __init__(self, cin, hidden, cout, stride):
        super().__init__()
        self.stride, self.res = stride, stride == 1 and cin == cout
        self.a = nn.Conv2d(cin, hidden, 3)
        self.b = nn.Conv2d(hidden, cout, 1)
        nn.init.kaiming_normal_(self.a.weight)
        nn.init.normal_(self.b.weight, std=hidden ** -0.5)
        nn.init.zeros_(self.a.bias); nn.init.zeros_(self.b.bias)

    def forward(self, x):
        y = self.b(F.relu(conv3(x, self.a.weight, self.a.bias, self.stride)))
        return x + y if self.res else y


class Student(nn.Module):
    def __init__(self, size='base'):
        super().__init__()
        spec = SIZES[size]
        s0, s1 = spec['stem']
        self.spec = spec
        self.stem0, self.stem1 = nn.Conv2d(3, s0, 3), nn.Conv2d(s0, s1, 3)
        for m in (self.stem0, self.stem1):
            nn.init.kaiming_normal_(m.weight); nn.init.zeros_(m.bias)
        self.blocks = nn.ModuleList(Block(*b[1:]) for b in spec['blocks'])

    def stem(self, x):
        x = F.relu(conv3(x, self.stem0.weight, self.stem0.bias, 2))
        return F.relu(conv3(x, self.stem1.weight, self.stem1.bias, 1))

    def forward(self, x):
        """x: B x 3 x H x W in [-1, 1), H and W multiples of 16 -> list of every block's output."""
        x = self.stem(x)
        out = []
        for block in self.blocks:
            x = block(x)
            out.append(x)
        return out


class Teacher:
    """MobileNetV2, every block's output, in units of the stage's deviation."""

    def __init__(self, folder, dtype=torch.bfloat16):
        sys.path.insert(0, folder)
        import teachers
        self.net = teachers.MobileNetV2().eval().to(memory_format=torch.channels_last)
        for p in self.net.parameters():
            p.requires_grad_(False)
        self.unit, self.dtype = None, dtype

    @torch.no_grad()
    def raw(self, x):
        """x: B x 3 x H x W in [0, 1] -> {block: map}."""
        n = self.net
        with torch.autocast('cpu', dtype=self.dtype, enabled=self.dtype != torch.float32):
            x = F.relu6(n._same(n.stem, x * 2 - 1))
            out = {}
            for i in range(13):
                y = x
                for c in n.blocks[i][:-1]:
                    y = F.relu6(n._same(c, y))
                y = n.blocks[i][-1](y)
                x = x + y if n.skip[i] else y
                out[i] = x
        return {k: v.float() for k, v in out.items()}

    def fit_units(self, x, margin):
        maps = self.raw(x)
        self.unit = {}
        for k, v in maps.items():
            if k:
                m = margin // (x.shape[-1] // v.shape[-1])
                self.unit[k] = v[:, :, m:-m, m:-m].std((0, 2, 3)).clamp_min(1e-3).view(1, -1, 1, 1)
        return self.unit

    def __call__(self, x):
        maps = self.raw(x)
        return {k: maps[k] / self.unit[STAGE[k]] for k in maps if k}
