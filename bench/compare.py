"""The built-in network here and in ONNX Runtime, one thread each, in turn, so that all of them see the same machine.

    python3 bench/compare.py BUILD [--net models/base.net] [--rounds 15] [--seconds 0.3] [--json]

Needs `pip install onnx onnxruntime`. Every round runs `BUILD/assay bench --part kernels` and every rival for about as long:
float32, int8 as QDQ and as QOperator, with the borders that the engine makes (Pad), and with the runtime's own zero padding,
which gives other numbers but saves it work; best graph optimisation, one intra-op thread. Printed: the best time, and the
median over the rounds of each round's median, in ms; and both over assay's. On a machine that does something else too, the
best times say more. Pin it to one core: taskset -c 0 python3 bench/compare.py build
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
SIZE = 256
sys.path.insert(0, os.path.join(ROOT, 'train'))


def assay_runner(build, net, seconds):
    program = os.path.join(build, 'assay')
    env = dict(os.environ, ASSAY_NET=net)
    version = dict(line.split(None, 1) for line in subprocess.check_output([program, '--version'], text=True).splitlines())
    env.setdefault('ASSAY_ISA', version['kernels'])

    def run():
        out = subprocess.check_output([program, 'bench', '--json', '--part', 'kernels', '--seconds', str(2 * seconds)], env=env)
        kernels = json.loads(out)['kernels'][0]
        return kernels['ms_min'], kernels['ms_p50']
    return f'assay {env["ASSAY_ISA"]}', run


def rival_runner(onnxruntime, model, inputs, seconds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    session.run(None, inputs)

    def run():
        times, end = [], time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            session.run(None, inputs)
            times.append((time.perf_counter() - start) * 1e3)
        return min(times), statistics.median(times)
    return run


def main():
    a = argparse.ArgumentParser(usage='compare.py BUILD [--net FILE] [--rounds N] [--seconds S] [--json]')
    a.add_argument('build'); a.add_argument('--net', default=os.path.join(ROOT, 'models', 'base.net'))
    a.add_argument('--rounds', type=int, default=15); a.add_argument('--seconds', type=float, default=0.3); a.add_argument('--json', action='store_true')
    a = a.parse_args()
    try:
        import onnxruntime
        import export_onnx
    except ImportError as e:
        raise SystemExit(f'{e}; pip install onnx onnxruntime')
    network = export_onnx.netfile.Network.load(a.net)
    picture = export_onnx.made_up_picture(SIZE)
    ours, run = assay_runner(a.build, a.net, a.seconds)
    runners = {ours: run}
    for kind, make in export_onnx.MODELS.items():
        for zero_padding in (False, True):
            runners[f'{kind}{", zero padding" if zero_padding else ""}'] = rival_runner(
                onnxruntime, make(network, SIZE, zero_padding), export_onnx.feed(network, kind, picture), a.seconds)
    times = {name: [] for name in runners}
    for _ in range(a.rounds):
        for name, run in runners.items():
            times[name].append(run())
    rows = {name: (min(t[0] for t in ts), statistics.median(t[1] for t in ts)) for name, ts in times.items()}
    if a.json:
        print(json.dumps(dict(onnxruntime=onnxruntime.__version__, network=network.name, size_px=SIZE, rounds=a.rounds, rows=[
            dict(name=n, ms_min=b, ms_p50=m, ratio_min=b / rows[ours][0], ratio_p50=m / rows[ours][1]) for n, (b, m) in rows.items()])))
        return
    print(f'{network.name}, {SIZE} x {SIZE} px, one thread, {a.rounds} rounds; ONNX Runtime {onnxruntime.__version__}\n')
    print(f'{"":26}{"ms best":>9}{"times":>8}{"ms p50":>9}{"times":>8}')
    for name, (best, median) in rows.items():
        print(f'{name:26}{best:9.3f}{best / rows[ours][0]:8.2f}{median:9.3f}{median / rows[ours][1]:8.2f}')


if __name__ == '__main__':
    main()
