"""The .net file (layout: src/vision/net/net.h) and the integer network's reference arithmetic in numpy.

    python3 netfile.py FILE.net IMAGE.png...     prints a hash of every tap, to hold against the engine
"""
import hashlib
import struct
import sys

import numpy as np


class Network:
    def __init__(self, name, align):
        self.name, self.align = name, align
        self.tensors, self.nodes, self.taps = [], [], []

    def tensor(self, channels, stride, zero, scale):
        self.tensors.append((channels, stride, zero, scale))
        return len(self.tensors) - 1

    def conv(self, src, dst, stride, weights, bias, mult, lo, hi, residual=-1, residual_mult=0.0, border=0, pad=0):
        """weights: int8 [cout][k][k][cin] or, depthwise, [c][k][k]; bias int32 [cout]; mult float32 [cout]; pad: pad_before."""
        self.op(1 if weights.ndim == 4 else 2, src, dst, weights.shape[1], stride, lo, hi, residual, residual_mult, border, pad,
                weights=weights, bias=bias, mult=mult)

    def op(self, op, src, dst, kernel=1, stride=1, lo=0, hi=255, residual=-1, residual_mult=0.0, border=0, pad=0, **arrays):
        """Any operation of net.h; arrays: mult float32 [1] for ops 5 and 6, what conv takes for 1 and 2."""
        self.nodes.append(dict(op=op, src=src, dst=dst, kernel=kernel, stride=stride, lo=lo, hi=hi, residual=residual,
                               residual_mult=np.float32(residual_mult), border=border, pad=pad, **arrays))

    def tap(self, tensor, gain):
        self.taps.append((tensor, gain))

    def outputs_of_blocks(self):
        return [n['dst'] for n in self.nodes if self.tensors[n['dst']][2] == 128]

    def save(self, path):
        head = 64 + 16 * len(self.tensors) + 64 * len(self.nodes) + 8 * len(self.taps)
        blob = bytearray()

        def put(array, kind):
            if array is None:
                return 0
            at = head + len(blob)
            blob.extend(array.astype(kind).tobytes())
            blob.extend(b'\0' * (-len(blob) % 4))
            return at

        nodes = b''.join(struct.pack('<IIIiIIiif5I8x', n['op'], n['src'], n['dst'], n['residual'], n['kernel'], n['stride'], n['lo'],
                                     n['hi'], n['residual_mult'], put(n.get('weights'), '<i1'), put(n.get('bias'), '<i4'),
                                     put(n.get('mult'), '<f4'), n['border'], n['pad']) for n in self.nodes)
        taps = b''.join(struct.pack('<II', t, put(g, '<u2')) for t, g in self.taps)
        tensors = b''.join(struct.pack('<IIif', *t) for t in self.tensors)
        body = (b'ASSAYNET' + struct.pack('<II32sIIII', 1, head + len(blob) + 32, self.name.encode(), len(self.tensors),
                                          len(self.nodes), len(self.taps), self.align) + tensors + nodes + taps + bytes(blob))
        with open(path, 'wb') as f:
            f.write(body + hashlib.blake2b(body, digest_size=32).digest())

    @classmethod
    def load(cls, path):
        raw = open(path, 'rb').read()
        if raw[:8] != b'ASSAYNET' or hashlib.blake2b(raw[:-32], digest_size=32).digest() != raw[-32:]:
            raise SystemExit(f'{path}: not a network file, or damaged')
        _, _, name, t, n, p, align = struct.unpack_from('<II32sIIII', raw, 8)
        self = cls(name.rstrip(b'\0').decode(), align)
        at = 64
        for i in range(t):
            self.tensors.append(struct.unpack_from('<IIif', raw, at + 16 * i))
        at += 16 * t
        for i in range(n):
            op, src, dst, res, k, stride, lo, hi, rm, w, b, m, border, pad = struct.unpack_from('<IIIiIIiif5I', raw, at + 64 * i)
            cin, cout = self.tensors[src][0], self.tensors[dst][0]
            shape, arrays = {1: (cout, k, k, cin), 2: (cout, k, k)}.get(op), {}
            if shape:
                arrays = dict(weights=np.frombuffer(raw, '<i1', np.prod(shape), w).reshape(shape), bias=np.frombuffer(raw, '<i4', cout, b))
            if m:
                arrays['mult'] = np.frombuffer(raw, '<f4', cout if shape else 1, m)
            self.op(op, src, dst, k, stride, lo, hi, res, rm, border, pad, **arrays)
        at += 64 * n
        for i in range(p):
            tensor, gain = struct.unpack_from('<II', raw, at + 8 * i)
            self.tap(tensor, np.frombuffer(raw, '<u2', self.tensors[tensor][0], gain))
        return self

    def run(self, image):
        """image: H x W x 3 uint8 -> every tensor, uint8; exact: int64 sums, float32 requantisation step by step."""
        out = [None] * len(self.tensors)
        out[0] = image
        f = np.float32
        for n in self.nodes:
            op, zero = n['op'], self.tensors[n['dst']][2]
            r = out[n['residual']].astype(np.int32) - self.tensors[n['residual']][2] if n['residual'] >= 0 else None
            if op <= 4:
                x = self.windows(n, out[n['src']])
            if op == 1:
                w = n['weights'].astype(np.int64).reshape(len(n['weights']), len(x), -1)
                acc = n['bias'] + sum(v @ w[:, i].T for i, v in enumerate(x))
            elif op == 2:
                acc = n['bias'] + sum(v * w for v, w in zip(x, n['weights'].astype(np.int64).reshape(-1, 9).T))
            elif op == 3:
                out[n['dst']] = np.maximum.reduce(x).astype(np.uint8)
                continue
            elif op == 4:
                acc = sum(x) - len(x) * zero
            else:
                acc = out[n['src']].astype(np.int64) - self.tensors[n['src']][2]
            t = acc.astype(np.int32).astype(f) * (f(1) / f(len(x)) if op == 4 else n['mult'])
            if r is not None:
                r = r.astype(f) * f(n['residual_mult'])
                t = np.concatenate((t, r), axis=2) if op == 6 else t + r
            t = np.clip(t, f(n['lo'] - zero), f(n['hi'] - zero))
            out[n['dst']] = (np.rint(t).astype(np.int32) + zero).astype(np.uint8)
        return out

    def windows(self, n, x):
        """The kernel * kernel shifted and strided views of x, in the order of weights, int64."""
        k, s, (h, w, _) = n['kernel'], n['stride'], x.shape
        before = (k - 1) // 2 if s == 1 else n['pad']
        around = ((before, k - 1 - before),) * 2 + ((0, 0),)
        x = x.astype(np.int64)
        x = np.pad(x, around, constant_values=self.tensors[n['src']][2]) if n['border'] else np.pad(x, around, mode='edge')
        return [x[dy:dy + h:s, dx:dx + w:s] for dy in range(k) for dx in range(k)]


if __name__ == '__main__':
    import cv2
    network = Network.load(sys.argv[1])
    for path in sys.argv[2:]:
        rgb = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
        h, w = (v // network.align * network.align for v in rgb.shape[:2])
        maps = network.run(rgb[:h, :w])
        print(path, ' '.join(hashlib.blake2b(np.ascontiguousarray(maps[t]).tobytes(), digest_size=8).hexdigest() for t, _ in network.taps))
