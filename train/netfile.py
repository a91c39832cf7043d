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

    def conv(self, src, dst, stride, weights, bias, mult, lo, hi, residual=-1, residual_mult=0.0):
        """weights: int8 [cout][k][k][cin]; bias int32 [cout]; mult float32 [cout]."""
        self.nodes.append(dict(src=src, dst=dst, stride=stride, weights=weights, bias=bias, mult=mult, lo=lo, hi=hi,
                               residual=residual, residual_mult=np.float32(residual_mult)))

    def tap(self, tensor, gain):
        self.taps.append((tensor, gain))

    def outputs_of_blocks(self):
        return [n['dst'] for n in self.nodes if self.tensors[n['dst']][2] == 128]

    def save(self, path):
        head = 64 + 16 * len(self.tensors) + 64 * len(self.nodes) + 8 * len(self.taps)
        blob = bytearray()

        def put(array):
            at = head + len(blob)
            blob.extend(array.tobytes())
            blob.extend(b'\0' * (-len(blob) % 4))
            return at

        nodes = b''.join(struct.pack('<IIIiIIiif3I16x', 1, n['src'], n['dst'], n['residual'], n['weights'].shape[1], n['stride'],
                                     n['lo'], n['hi'], n['residual_mult'], put(n['weights'].astype('<i1')),
                                     put(n['bias'].astype('<i4')), put(n['mult'].astype('<f4'))) for n in self.nodes)
        taps = b''.join(struct.pack('<II', t, put(g.astype('<u2'))) for t, g in self.taps)
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
            _, src, dst, res, k, stride, lo, hi, rm, w, b, m = struct.unpack_from('<IIIiIIiif3I', raw, at + 64 * i)
            cin, cout = self.tensors[src][0], self.tensors[dst][0]
            self.conv(src, dst, stride, np.frombuffer(raw, '<i1', cout * k * k * cin, w).reshape(cout, k, k, cin),
                      np.frombuffer(raw, '<i4', cout, b), np.frombuffer(raw, '<f4', cout, m), lo, hi, res, rm)
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
            x, w, s = out[n['src']].astype(np.int64), n['weights'].astype(np.int64), n['stride']
            k = w.shape[1]
            if k == 3:
                x = np.pad(x, ((1, 1), (1, 1), (0, 0)) if s == 1 else ((0, 1), (0, 1), (0, 0)), mode='edge')
            h, wd = (x.shape[0] - k) // s + 1, (x.shape[1] - k) // s + 1
            acc = np.zeros((h, wd, w.shape[0]), np.int64) + n['bias']
            for dy in range(k):
                for dx in range(k):
                    acc += x[dy:dy + s * (h - 1) + 1:s, dx:dx + s * (wd - 1) + 1:s] @ w[:, dy, dx].T
            zero = self.tensors[n['dst']][2]
            t = acc.astype(np.int32).astype(f) * n['mult']
            if n['residual'] >= 0:
                r = out[n['residual']].astype(np.int32) - self.tensors[n['residual']][2]
                t = t + r.astype(f) * f(n['residual_mult'])
            t = np.clip(t, f(n['lo'] - zero), f(n['hi'] - zero))
            out[n['dst']] = (np.rint(t).astype(np.int32) + zero).astype(np.uint8)
        return out


if __name__ == '__main__':
    import cv2
    network = Network.load(sys.argv[1])
    for path in sys.argv[2:]:
        rgb = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
        h, w = (v // network.align * network.align for v in rgb.shape[:2])
        maps = network.run(rgb[:h, :w])
        print(path, ' '.join(hashlib.blake2b(np.ascontiguousarray(maps[t]).tobytes(), digest_size=8).hexdigest() for t, _ in network.taps))
