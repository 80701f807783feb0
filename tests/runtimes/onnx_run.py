"""Graphs of `export --format onnx` in onnxruntime, on one thread, after onnx's own checker.

    onnx_run.py golden GRAPH GOLDEN    logits of a golden file, GRAPH being made of it: at once, in parts, token by token
    onnx_run.py tell GRAPH TOKENIZER   reads triples of prompt, story and most tokens, as JSON, that greedy decoding must give
"""

import json
import math
import os
import sys

import numpy as np
import onnx
import onnxruntime

EOS, UNK = 3, 1


class Graph:
    def __init__(self, path):
        onnx.checker.check_model(onnx.load(path), full_check=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.states = {i.name: i.shape for i in self.session.get_inputs() if i.name.startswith("past_conv.")}
        self.outputs = ["logits", *(name.replace("past", "present") for name in self.states)]
        self.n_vocab = self.session.get_outputs()[0].shape[2]

    def begin(self, n):
        return {name: np.zeros([n, *shape[1:]], np.float32) for name, shape in self.states.items()}

    def read(self, tokens, state):
        logits, *after = self.session.run(self.outputs, {"input_ids": np.asarray(tokens, np.int64), **state})
        return logits, dict(zip(state, after))


def golden(path, golden_path):
    from safetensors import safe_open

    with safe_open(golden_path, "np") as f:
        tokens, wanted = f.get_tensor("input.tokens"), f.get_tensor("output.logits")
    graph = Graph(path)
    length = tokens.shape[1]
    worst = {}
    for name, parts in (("whole", [length]), ("parts", [5, 1, 3, length - 9]), ("steps", [1] * length)):
        state, at, found = graph.begin(len(tokens)), 0, []
        for n in parts:
            logits, state = graph.read(tokens[:, at : at + n], state)
            found.append(logits)
            at += n
        worst[name] = abs(np.concatenate(found, 1) - wanted).max()
    first = [np.concatenate([np.full_like(tokens[:, :1], i), tokens[:, 1:]], 1) for i in (UNK, graph.n_vocab, graph.n_vocab + 7, -1)]
    unknown, *others = [graph.read(some, graph.begin(len(some)))[0] for some in first]
    same = all(np.array_equal(unknown, other) for other in others)
    print(f"onnxruntime {onnxruntime.__version__}, {os.path.basename(path)} of {os.path.basename(golden_path)}:",
          *(f"{k} {v:.2g}" for k, v in worst.items()))
    # Of logits below 8: floats from there on stand twice as far apart. Other weights than f32 are summed in another order.
    bar = 3e-6 * max(1, 2 ** math.floor(math.log2(abs(wanted).max())) / 4) * (1 if "f32" in path else 2)
    return int(max(worst.values()) > bar or not same)


def tell(path, tokenizer_path):
    from tokenizers import Tokenizer

    graph, tokenizer = Graph(path), Tokenizer.from_file(tokenizer_path)
    failed = False
    for prompt, story, most in json.load(sys.stdin):
        ids = tokenizer.encode(prompt).ids
        logits, state = graph.read([ids], graph.begin(1))
        for _ in range(most):
            token = int(logits[0, -1].argmax())
            if token == EOS:
                break
            ids.append(token)
            logits, state = graph.read([[token]], state)
        found = tokenizer.decode(ids)
        if found != story:
            failed = True
            print(f"{found!r}, expected {story!r}")
    return int(failed)


if __name__ == "__main__":
    sys.exit({"golden": golden, "tell": tell}[sys.argv[1]](*sys.argv[2:]))
