"""A .net file as ONNX, to run the same network in another runtime; needs `pip install onnx`, and onnxruntime to check.

    python3 export_onnx.py ../models/base.net OUT_PREFIX [--size 256]

OUT_PREFIX-float.onnx     weights and biases as the real numbers they stand for, float32, Relu in place of clamps
OUT_PREFIX-int8.onnx      the integers themselves, QuantizeLinear/DequantizeLinear around plain operators (QDQ)
OUT_PREFIX-int8-qop.onnx  the same as QLinearConv and QLinearAdd (QOperator)

Input: 1 x 3 x size x size, in the float network (pixel - 128) / 128. Outputs: the taps. Borders are replicated, as in the
engine: Pad in edge mode, then Conv without padding. What differs from the engine in int8: what is added to a residual is
rounded on its own before, and the lower clamp of 1 (of 255) is left out. Checked on a made-up picture against netfile.py,
which is bit for bit the engine; the figures printed are shares of values, in steps of the integer network. The first tap
shows whether the export is right; later ones also show how rounding differently spreads from block to block.
"""
import argparse
import functools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import netfile


class Graph:
    def __init__(self, network, size, zero_padding):
        self.net, self.size, self.zero_padding = network, size, zero_padding
        self.nodes, self.constants = [], {}
        for n in network.nodes:
            if n['op'] != 1 or n['border'] or n['pad'] or n['kernel'] > 3:
                raise SystemExit(f'{network.name}: tensor {n["dst"]} is not made by a convolution of the kind that train/ makes')
            if n['residual'] >= 0 and not np.isclose(n['residual_mult'] * network.tensors[n['dst']][3], network.tensors[n['residual']][3], rtol=1e-5):
                raise SystemExit('the network scales a residual, which Add cannot')

    def part_scale(self, node):
        """Of what is added to a residual, which must be rounded on its own: its largest value on a picture fills s8."""
        tensors = seen(self.net, self.size)
        value = lambda t: tensors[t].astype(np.float64) - self.net.tensors[t][2]
        part = value(node['dst']) - value(node['residual']) * node['residual_mult']
        return self.constant(f's{node["dst"]}_part', np.float32(self.net.tensors[node['dst']][3] * np.abs(part).max() / 127))

    def constant(self, name, value):
        self.constants[name] = numpy_helper.from_array(np.array(value, order='C'), name)
        return name

    def add(self, op, inputs, output, domain='', **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], domain=domain, **attributes))
        return output

    def scale(self, tensor):
        return self.constant(f's{tensor}', np.float32(self.net.tensors[tensor][3]))

    def zero(self, tensor):
        return self.constant(f'z{tensor}', np.uint8(self.net.tensors[tensor][2]))

    def window(self, node, x):
        """-> the node's input with its border, and what Conv must be told."""
        pads = [0, 0, 0, 0] if node['weights'].shape[1] == 1 else [1, 1, 1, 1] if node['stride'] == 1 else [0, 0, 1, 1]
        strides = dict(strides=[node['stride']] * 2)
        if self.zero_padding or not any(pads):
            return x, dict(pads=pads, **strides)
        name = self.constant('pads' + ''.join(map(str, pads)), np.int64([0, 0, *pads[:2], 0, 0, *pads[2:]]))
        padded = f'{x}_{"".join(map(str, pads))}'
        if not any(padded in n.output for n in self.nodes):
            self.add('Pad', [x, name], padded, mode='edge')
        return padded, strides

    def parameters(self, node):
        """-> weights s8 [cout][cin][k][k] and their scales, bias s32: the zero point of the input taken out of it."""
        zero, scale = self.net.tensors[node['src']][2:]
        w = node['weights'].transpose(0, 3, 1, 2)
        bias = node['bias'] + zero * w.astype(np.int64).sum((1, 2, 3))
        return w, (node['mult'].astype(np.float64) * self.net.tensors[node['dst']][3] / scale).astype(np.float32), bias.astype(np.int32)

    def model(self, input_type, output_type, opsets):
        def value(tensor, kind):
            channels, stride = self.net.tensors[tensor][:2]
            return helper.make_tensor_value_info(f't{tensor}', kind, [1, channels, self.size // stride, self.size // stride])
        graph = helper.make_graph(self.nodes, self.net.name, [value(0, input_type)],
                                  [value(t, output_type) for t, _ in self.net.taps], list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid(d, v) for d, v in opsets], ir_version=8)
        onnx.checker.check_model(model)
        return model


def float_model(network, size, zero_padding=False):
    g = Graph(network, size, zero_padding)
    for n in network.nodes:
        w, unit, bias = g.parameters(n)
        in_scale = network.tensors[n['src']][3]
        zero = network.tensors[n['dst']][2]
        x, attributes = g.window(n, f't{n["src"]}')
        out = f't{n["dst"]}'
        names = [g.constant(f'{out}_w', w * unit[:, None, None, None]), g.constant(f'{out}_b', (bias * unit.astype(np.float64) * in_scale).astype(np.float32))]
        steps = [('Conv', names, attributes)]
        if n['residual'] >= 0:
            steps.append(('Add', [f't{n["residual"]}'], {}))
        if n['lo'] == zero:
            steps.append(('Relu', [], {}))
        for i, (op, inputs, attributes) in enumerate(steps):
            x = g.add(op, [x, *inputs], out if i == len(steps) - 1 else f'{out}_{op}', **attributes)
    return g.model(TensorProto.FLOAT, TensorProto.FLOAT, [('', 17)])


def qdq_model(network, size, zero_padding=False):
    g = Graph(network, size, zero_padding)

    def real(x, scale, zero):
        return g.add('DequantizeLinear', [x, scale, zero], f'{x}_real{len(g.nodes)}')

    for n in network.nodes:
        w, unit, bias = g.parameters(n)
        x, attributes = g.window(n, f't{n["src"]}')
        src, dst, out = n['src'], n['dst'], f't{n["dst"]}'
        unit_name, no_zero = g.constant(f'{out}_ws', unit), g.constant(f'{out}_wz', np.zeros(len(unit), np.int8))
        bias_unit = g.constant(f'{out}_bs', unit * np.float32(network.tensors[src][3]))
        wr = g.add('DequantizeLinear', [g.constant(f'{out}_w', w), unit_name, no_zero], f'{out}_w_real', axis=0)
        br = g.add('DequantizeLinear', [g.constant(f'{out}_b', bias), bias_unit], f'{out}_b_real', axis=0)
        y = g.add('Conv', [real(x, g.scale(src), g.zero(src)), wr, br], f'{out}_sum', **attributes)
        if n['residual'] >= 0:
            scale, r = g.part_scale(n), n['residual']
            y = real(g.add('QuantizeLinear', [y, scale, g.zero(dst)], f'{out}_part'), scale, g.zero(dst))
            y = g.add('Add', [y, real(f't{r}', g.scale(r), g.zero(r))], f'{out}_all')
        g.add('QuantizeLinear', [y, g.scale(dst), g.zero(dst)], out)
    return g.model(TensorProto.UINT8, TensorProto.UINT8, [('', 17)])


def qop_model(network, size, zero_padding=False):
    g = Graph(network, size, zero_padding)
    for n in network.nodes:
        w, unit, bias = g.parameters(n)
        x, attributes = g.window(n, f't{n["src"]}')
        src, dst, out = n['src'], n['dst'], f't{n["dst"]}'
        y, scale = (out, g.scale(dst)) if n['residual'] < 0 else (f'{out}_part', g.part_scale(n))
        g.add('QLinearConv', [x, g.scale(src), g.zero(src), g.constant(f'{out}_w', w), g.constant(f'{out}_ws', unit),
                              g.constant(f'{out}_wz', np.zeros(len(unit), np.int8)), scale, g.zero(dst), g.constant(f'{out}_b', bias)], y, **attributes)
        if n['residual'] >= 0:
            r = n['residual']
            g.add('QLinearAdd', [y, scale, g.zero(dst), f't{r}', g.scale(r), g.zero(r), g.scale(dst), g.zero(dst)], out, domain='com.microsoft')
    return g.model(TensorProto.UINT8, TensorProto.UINT8, [('', 17), ('com.microsoft', 1)])


MODELS = {'float': float_model, 'int8': qdq_model, 'int8-qop': qop_model}


def made_up_picture(size):
    """Smooth shading, edges and a little noise; H x W x 3."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:size, 0:size] / size
    rgb = np.stack([110 + 60 * np.sin(7 * x + 3 * k) + 40 * np.cos(9 * y - k) for k in range(3)], 2)
    for _ in range(12):
        cx, cy, r = rng.random(3) * (1, 1, 0.15)
        rgb[(x - cx) ** 2 + (y - cy) ** 2 < r * r] += rng.normal(0, 50, 3)
    return np.clip(rgb + rng.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)


@functools.lru_cache
def seen(network, size):
    return network.run(made_up_picture(size))


def feed(network, kind, rgb):
    x = rgb.transpose(2, 0, 1)[None]
    return {'t0': x if kind.startswith('int8') else (x.astype(np.float32) - network.tensors[0][2]) * np.float32(network.tensors[0][3])}


def check(network, kind, path, size):
    import onnxruntime
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    engine = seen(network, size)
    for (t, _), got in zip(network.taps, session.run(None, feed(network, kind, engine[0]))):
        _, stride, zero, scale = network.tensors[t]
        got = got[0].transpose(1, 2, 0)
        off = np.abs((got.astype(np.float64) - zero if kind.startswith('int8') else got / scale) - (engine[t].astype(np.float64) - zero))
        print(f'{kind:9} stride {stride:2}: same {np.mean(off < 0.5):.4f}, within one step {np.mean(off <= 1):.4f}, '
              f'two {np.mean(off <= 2):.4f}, mean {off.mean():.3f}, largest {off.max():.1f} steps')


def main():
    a = argparse.ArgumentParser(usage='export_onnx.py FILE.net OUT_PREFIX [--size 256]')
    a.add_argument('net'); a.add_argument('prefix'); a.add_argument('--size', type=int, default=256)
    a = a.parse_args()
    network = netfile.Network.load(a.net)
    if a.size < network.align or a.size % network.align:
        raise SystemExit(f'--size: found {a.size}, expected a multiple of {network.align}')
    for kind, make in MODELS.items():
        path = f'{a.prefix}-{kind}.onnx'
        onnx.save(make(network, a.size), path)
        print('wrote', path)
        try:
            check(network, kind, path, a.size)
        except ImportError:
            print('not checked: onnxruntime is not installed')


if __name__ == '__main__':
    main()
