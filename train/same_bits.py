"""The integer model in numpy (netfile.py) against the engine, bit for bit, on random pictures.

    python3 same_bits.py BUILD FILE.net... [--pictures 100] [--isa scalar,avx2,...]

Half of the pictures are noise, which drives every clamp; half are procedural surfaces. Sizes vary.
"""
import argparse
import os
import subprocess
import sys

import numpy as np

import data
import netfile


def engine(program, path, image, isa):
    h, w, _ = image.shape
    env = dict(os.environ, **({'ASSAY_ISA': isa} if isa else {}))
    r = subprocess.run([program, path, str(w), str(h)], input=image.tobytes(), capture_output=True, env=env)
    if r.returncode:
        raise SystemExit(r.stderr.decode())
    return r.stdout, r.stderr.decode().strip()


def main():
    a = argparse.ArgumentParser()
    a.add_argument('build'); a.add_argument('nets', nargs='+'); a.add_argument('--pictures', type=int, default=100)
    a.add_argument('--isa', default='', help='kernels to run, comma separated; default: the best of this machine')
    a = a.parse_args()
    rng, differ = np.random.default_rng(3), 0
    for path in a.nets:
        model, used = netfile.Network.load(path), set()
        for i in range(a.pictures):
            w, h = (int(v) * model.align for v in rng.integers(2, 9, 2))
            image = rng.integers(0, 256, (h, w, 3)).astype(np.uint8) if i % 2 else data.surface(rng, 160)[:h, :w].copy()
            out = model.run(image)
            want = b''.join(np.ascontiguousarray(out[t]).tobytes() for t, _ in model.taps)
            for isa in a.isa.split(','):
                got, name = engine(os.path.join(a.build, 'bench', 'taps'), path, image, isa)
                used.add(name)
                if got != want:
                    differ += 1
                    print(f'{path}: picture {i} ({w} x {h}), {name}: taps differ')
        print(f'{path}: {a.pictures} pictures on {", ".join(sorted(used))}, {differ} differences')
    sys.exit(1 if differ else 0)


if __name__ == '__main__':
    main()
