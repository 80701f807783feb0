#!/usr/bin/env python3
"""Decoding speed of the same model in onnxruntime, to put beside `sample --bench`.

    pip install onnxruntime onnx safetensors
    tests/bench/onnx_generate.py [--checkpoint best.safetensors] [--threads 2] [--streams 1 64]

One graph is one token of every stream: token and the convolutions' past in, likeliest next token
and the new past out, bound to memory once. Modes: f32, and int8 (onnxruntime's dynamic quantisation
of all matrix products, a scale per output).
"""

import logging
import os
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

import peers

MODES = ["f32", "int8"]


class Graph:
    def __init__(self, bolt):
        self.bolt, self.nodes, self.constants, self.names = bolt, [], [], 0

    def const(self, value, name=None):
        name = name or self.fresh()
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def fresh(self):
        self.names += 1
        return f"t{self.names}"

    def op(self, kind, *inputs, out=None, n_out=1, **attributes):
        outputs = [out] if out else [self.fresh() for _ in range(n_out)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0] if n_out == 1 else outputs

    def linear(self, x, *weights):
        return self.op("MatMul", x, self.const(np.concatenate(weights).T))

    def norm(self, x, scale):
        # onnxruntime's own fused operator computes x / sqrt(mean(x^2) + epsilon) * scale
        return self.op(
            "SimplifiedLayerNormalization", x, self.const(scale), epsilon=peers.EPS, axis=-1
        )

    def block(self, n, x):
        b, bolt = (lambda name: self.bolt.block(n, name)), self.bolt
        up = self.linear(self.norm(x, b("norm1.scale")), b("mixer.up.weight"))
        gate, value = self.op("Split", up, n_out=2, axis=-1, num_outputs=2)
        value = self.op("Unsqueeze", value, self.const(np.array([1])))
        window = self.op("Concat", f"past{n}", value, axis=1)
        starts, ends = np.array([1]), np.array([2**31])
        axis = self.const(np.array([1]))
        self.op("Slice", window, self.const(starts), self.const(ends), axis, out=f"after{n}")
        seen = window
        if bolt.dilation[n] > 1:
            step = self.const(np.array([bolt.dilation[n]]))
            seen = self.op("Slice", window, self.const(starts - 1), self.const(ends), axis, step)
        mixed = self.op(
            "ReduceSum", self.op("Mul", seen, self.const(bolt.taps(n))), axis, keepdims=0
        )
        mixed = self.op("Mul", mixed, self.op("Sigmoid", gate))
        x = self.op("Add", x, self.linear(mixed, b("mixer.down.weight")))
        h = self.linear(
            self.norm(x, b("norm2.scale")), b("ffn.W_gate.weight"), b("ffn.W_up.weight")
        )
        a, u = self.op("Split", h, n_out=2, axis=-1, num_outputs=2)
        h = self.op("Mul", self.op("Mul", a, self.op("Sigmoid", a)), u)
        return self.op("Add", x, self.linear(h, b("ffn.W_down.weight")))

    def model(self, streams):
        bolt, embedding = self.bolt, self.bolt.tensors["embedding.weight"]
        x = self.op("Gather", self.const(embedding), "token", axis=0)
        for n in range(bolt.blocks):
            x = self.block(n, x)
        logits = self.linear(self.norm(x, bolt.tensors["final_norm.scale"]), embedding)
        self.op("ArgMax", logits, out="next", axis=-1, keepdims=0)

        def ports(name):
            return [
                helper.make_tensor_value_info(
                    f"{name}{n}", TensorProto.FLOAT, [streams, bolt.reach(n), bolt.dim]
                )
                for n in range(bolt.blocks)
            ]

        token, after = (
            helper.make_tensor_value_info(t, TensorProto.INT64, [streams])
            for t in ("token", "next")
        )
        graph = helper.make_graph(
            self.nodes, "bolt", [token, *ports("past")], [after, *ports("after")], self.constants
        )
        opset = helper.make_opsetid("", 18)
        return helper.make_model(graph, opset_imports=[opset], ir_version=10)


def session(bolt, mode, streams, threads, folder):
    path = os.path.join(folder, f"{mode}-{streams}.onnx")
    onnx.save(Graph(bolt).model(streams), path)
    if mode == "int8":
        logging.getLogger().setLevel(logging.ERROR)  # it recommends a step that finds nothing here
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantised = os.path.join(folder, f"{mode}-{streams}-q.onnx")
        quantize_dynamic(
            path,
            quantised,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )
        path = quantised
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Mode:
    """Two bindings: what one writes the other reads."""

    def __init__(self, bolt, mode, streams, threads, tokens, folder):
        self.session, self.tokens = session(bolt, mode, streams, threads, folder), tokens
        shapes = [(streams, bolt.reach(n), bolt.dim) for n in range(bolt.blocks)]
        self.token = [np.zeros(streams, np.int64) for _ in range(2)]
        self.past = [[np.zeros(s, np.float32) for s in shapes] for _ in range(2)]
        self.bindings = [self.bind(0), self.bind(1)]

    def bind(self, a):
        binding = self.session.io_binding()
        for suffix, array in [
            ("token", self.token[a]),
            *((f"past{n}", p) for n, p in enumerate(self.past[a])),
        ]:
            binding.bind_input(suffix, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        after = self.past[1 - a]
        for name, array in [
            ("next", self.token[1 - a]),
            *((f"after{n}", p) for n, p in enumerate(after)),
        ]:
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        return binding

    def start(self):
        self.token[0][:] = peers.EOS
        for past in self.past[0]:
            past[:] = 0

    def tell(self):
        self.start()
        story = []
        for i in range(self.tokens):
            self.session.run_with_iobinding(self.bindings[i & 1])
            story.append(self.token[(i + 1) & 1].copy())
        return story

    def next_tokens(self, fed):
        self.start()
        found = []
        for i, t in enumerate(fed):
            self.token[i & 1][:] = t
            self.session.run_with_iobinding(self.bindings[i & 1])
            found.append(self.token[(i + 1) & 1][0])
        return found


def prepare(bolt, mode, streams, args, folder):
    config = peers.configuration(f"onnxruntime {ort.__version__}", mode, streams, args)
    m = Mode(bolt, mode, streams, args.threads, config["tokens"], folder)
    m.tell()
    if args.expect and args.checkpoint and streams == 1:
        config.update(peers.agreement(args.expect, m.next_tokens))
    return config, m.tell


def main():
    args = peers.parse(peers.parser(__doc__, MODES))
    bolt = peers.load_bolt(args)
    with tempfile.TemporaryDirectory() as folder:
        configs = [prepare(bolt, m, s, args, folder) for m in args.modes for s in args.streams]
        peers.measure(args, configs)


if __name__ == "__main__":
    main()
