#!/usr/bin/env python3
"""What a token costs in onnxruntime, by a graph of `export --format onnx`, beside `sample`, both greedy on one thread.

    export model.bolt -o model.onnx
    tests/bench/exported_onnx.py model.bolt model.onnx...

They take turns: in every round each tells the same number of tokens once. The table has processor time a token, medians
over the rounds, least and most, and the median ratio to `sample` in the same round. Opening a file is not counted.
"""

import argparse
import os
import resource
import statistics
import subprocess
import time

import numpy as np
import onnxruntime

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EOS = 3


def sample(args, tokens):
    command = [args.sample, "-q", args.model, "-j", "1", "-t", "0", "--ignore-eos", "-n", str(tokens)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


class Graph:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.states = [i for i in self.session.get_inputs() if i.name != "input_ids"]

    def tell(self, tokens):
        state = {i.name: np.zeros([1, *i.shape[1:]], np.float32) for i in self.states}
        token = np.array([[EOS]])
        begin = time.process_time()
        for _ in range(tokens):
            logits, *after = self.session.run(None, {"input_ids": token, **state})
            logits[0, 0, EOS] = -np.inf
            token[0, 0] = logits[0, 0].argmax()
            state = dict(zip(state, after))
        return time.process_time() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL.bolt")
    parser.add_argument("graphs", nargs="+", metavar="GRAPH.onnx")
    parser.add_argument("--sample", default=os.path.join(ROOT, "build", "sample"), help="the program (default build/sample)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=1000, help="tokens a round (default 1000)")
    args = parser.parse_args()
    graphs = {os.path.basename(path): Graph(path) for path in args.graphs}
    times = {"sample": [], **{name: [] for name in graphs}}
    for graph in graphs.values():
        graph.tell(20)
    for _ in range(args.rounds):
        times["sample"].append((sample(args, args.tokens + 1) - sample(args, 1)) / args.tokens)
        for name, graph in graphs.items():
            times[name].append(graph.tell(args.tokens) / args.tokens)
    print(f"onnxruntime {onnxruntime.__version__}, {args.rounds} rounds of {args.tokens} tokens, one thread")
    for name, each in times.items():
        ratio = statistics.median(t / ours for t, ours in zip(each, times["sample"]))
        print(f"{name:24} {statistics.median(each) * 1e6:8.0f} us a token ({min(each) * 1e6:.0f} to {max(each) * 1e6:.0f}), "
              f"{ratio:.2f} times sample's")


if __name__ == "__main__":
    main()
