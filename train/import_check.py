"""Exports networks from torch, imports them with assay, and holds the integers against onnxruntime in float.

    python3 import_check.py --pretrain DIR --assay ../build/assay --pictures DIR [--out DIR] [--eval DATASET...]

Models: the teachers of DIR (teachers.py), which normalise by themselves, and ResNet-18 and MobileNetV2 with batch
normalisation and a classifier behind, in the shape of torchvision's, with the teachers' weights where they have some and
random ones elsewhere. Each by both exporters of torch. Needs torch, onnx, onnxruntime, cv2, and onnxscript for the newer one.
The engine's taps come from netfile.py, which is bit for bit the engine.
"""
import argparse
import glob
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import torch
import torch.nn as nn

import netfile

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)) if stride > 1 else None

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (self.down(x) if self.down else x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        widths = (64, 128, 256, 512)
        self.layers = nn.Sequential(*[nn.Sequential(Block(w if i == 0 else widths[i - 1], w, 1 if i == 0 else 2), Block(w, w, 1))
                                      for i, w in enumerate(widths)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))

    def forward(self, x):
        return self.head(self.layers(self.stem(x)))


def conv_bn_relu6(cin, cout, kernel=3, stride=1, groups=1):
    return [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout), nn.ReLU6(inplace=True)]


class Inverted(nn.Module):
    def __init__(self, cin, cout, stride, t):
        super().__init__()
        h = cin * t
        self.conv = nn.Sequential(*(conv_bn_relu6(cin, h, 1) if t > 1 else []), *conv_bn_relu6(h, h, 3, stride, h),
                                  nn.Conv2d(h, cout, 1, bias=False), nn.BatchNorm2d(cout))
        self.skip = stride == 1 and cin == cout

    def forward(self, x):
        return x + self.conv(x) if self.skip else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        blocks, cin = [nn.Sequential(*conv_bn_relu6(3, 32, 3, 2))], 32
        for t, c, n, s in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
            for i in range(n):
                blocks.append(Inverted(cin, c, s if i == 0 else 1, t))
                cin = c
        self.features = nn.Sequential(*blocks, nn.Sequential(*conv_bn_relu6(320, 1280, 1)))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x):
        return self.head(nn.functional.adaptive_avg_pool2d(self.features(x), 1).flatten(1))


class Joined(nn.Module):
    """What the others do not have: concatenation, average pooling, batch normalisation before ReLU, 5 x 5, its own Sub and Div."""

    def __init__(self):
        super().__init__()
        c = lambda i, o, k, s=1: nn.Conv2d(i, o, k, s, k // 2)
        self.stem, self.pool = c(3, 16, 5, 2), nn.AvgPool2d(2)
        self.a, self.b, self.c3 = c(16, 24, 1), c(16, 12, 3), c(16, 20, 5)
        self.bn, self.down, self.late = nn.BatchNorm2d(56), c(56, 64, 3, 2), c(64, 48, 3, 2)
        self.avg = nn.AvgPool2d(3, 1, 1)

    def forward(self, x):
        x = (x - 0.5) / torch.tensor(STD).view(1, 3, 1, 1)
        x = self.pool(torch.relu(self.stem(x)))
        x = torch.relu(self.bn(torch.cat([self.a(x), torch.relu(self.b(x)), self.c3(x)], 1)))
        return self.late(self.avg(torch.clamp(self.down(x), -0.4, 0.7)))


def randomise(model, seed):
    """Batch normalisations with statistics of real activations, so that signals keep their size."""
    torch.manual_seed(seed)
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, mode='fan_out')
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = None
            m.weight.data.uniform_(0.6, 1.4)
            m.bias.data.normal_(0, 0.2)
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(4, 3, 128, 128))
    return model.eval()


class Outputs(nn.Module):
    """A teacher of the pretrain folder, its maps as outputs; they are the taps."""

    def __init__(self, model, names):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, x):
        maps = self.model(x)
        return tuple(maps[n] for n in self.names)


def export(model, path, size, dynamo, opset):
    kwargs = dict(external_data=False) if dynamo else {}
    with torch.no_grad():
        torch.onnx.export(model.eval(), (torch.rand(1, 3, size, size),), path, opset_version=opset, dynamo=dynamo,
                          input_names=['input'], **kwargs)


def float_taps(path, names, x):
    import onnx
    import onnxruntime
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    return session.run(None, {session.get_inputs()[0].name: x})


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--pretrain', required=True); a.add_argument('--assay', default='../build/assay'); a.add_argument('--pictures', required=True)
    a.add_argument('--out', default='/tmp/import_check'); a.add_argument('--size', type=int, default=128); a.add_argument('--count', type=int, default=16)
    a.add_argument('--eval', nargs='*', default=[]); a.add_argument('--only', default='')
    a = a.parse_args()
    sys.path.insert(0, a.pretrain)
    import teachers
    os.makedirs(a.out, exist_ok=True)
    own = ['--mean', '0,0,0', '--std', '1,1,1']
    models = {
        'resnet18-teacher': (lambda: Outputs(teachers.ResNet18(), ['layer1', 'layer2', 'layer3']), own),
        'mobilenetv2-teacher': (lambda: Outputs(teachers.MobileNetV2(), ['s4', 's8', 's16b', 's32']), own),
        'resnet18-bn': (lambda: randomise(ResNet18(), 1), []),
        'mobilenetv2-bn': (lambda: randomise(MobileNetV2(), 2), []),
        'joined': (lambda: randomise(Joined(), 3), own),
    }
    exporters = {'legacy13': (False, 13), 'legacy17': (False, 17), 'dynamo18': (True, 18)}
    pictures = sorted(p for e in ('jpg', 'png', 'bmp') for p in glob.glob(os.path.join(a.pictures, '**', f'*.{e}'), recursive=True))
    rgb = cv2.cvtColor(cv2.imread(pictures[len(pictures) // 2]), cv2.COLOR_BGR2RGB)
    rgb = np.ascontiguousarray(cv2.resize(rgb, (a.size, a.size), interpolation=cv2.INTER_AREA))
    for name, (make, options) in models.items():
        for exporter, (dynamo, opset) in exporters.items():
            stem = os.path.join(a.out, f'{name}-{exporter}')
            if a.only not in stem:
                continue
            try:
                export(make(), stem + '.onnx', a.size, dynamo, opset)
            except Exception as e:
                print(f'{name} {exporter}: not exported: {str(e).splitlines()[0]}')
                continue
            done = subprocess.run([a.assay, 'import', stem + '.onnx', '-o', stem + '.net', '--calibrate', a.pictures, '--pictures', str(a.count),
                                   '--json', *options], capture_output=True, text=True)
            if done.returncode:
                print(f'{name} {exporter}: refused: {done.stderr.strip()}')
                continue
            report = json.loads(done.stdout)
            mean, std = ((0, 0, 0), (1, 1, 1)) if options else (MEAN, STD)
            x = ((rgb.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)[None]
            network = netfile.Network.load(stem + '.net')
            ints = network.run(rgb)
            print(f"{name} {exporter}: {report['nodes']} layers, {report['macs'] / 1e9:.2f} GMAC, {report['bytes']} bytes, {report['seconds']:.1f} s")
            for (t, _), tap, want in zip(network.taps, report['taps'], float_taps(stem + '.onnx', [t['name'] for t in report['taps']], x)):
                _, _, zero, scale = network.tensors[t]
                got = (ints[t].astype(np.float64) - zero) * scale
                want = want[0].transpose(1, 2, 0)
                error = lambda g, w: np.sqrt(np.square(g - w).sum() / np.square(w).sum())
                print(f"  1/{tap['stride']} {tap['name']}, {tap['channels']} channels: off onnxruntime {error(got, want):.4f}, without "
                      f"the border {error(got[2:-2, 2:-2], want[2:-2, 2:-2]):.4f}; assay says {tap['relative_error']:.4f}", flush=True)
            for dataset in a.eval:
                done = subprocess.run([a.assay, 'eval', dataset, '--network', stem + '.net', '--json'], capture_output=True, text=True)
                figures = json.loads(done.stdout) if done.stdout else {}
                print(f"  {os.path.basename(dataset)}: AUROC {figures.get('auroc')}, {figures.get('inspect_ms_p50')} ms {done.stderr.strip()[:200]}", flush=True)


if __name__ == '__main__':
    main()
