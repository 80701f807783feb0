#!/usr/bin/env python3
"""Decoding speed of a llama of Bolt's size in llama.cpp, to put beside `sample --bench`.

    pip install gguf llama-cpp-python        # builds llama.cpp: a compiler and cmake are needed
    tests/bench/llamacpp_generate.py [--threads 2] [--modes g192-Q4_0 ...]

llama.cpp cannot run Bolt itself: its convolution and gate are attention here. Weights are random,
on which the speed does not depend. Shapes: g192 has width 192, 6 blocks, hidden 512 (4.58 million
parameters; Bolt --small has 4.36); g256 has width 256, 4 blocks, hidden 512 (5.18 million), for the
ternary types, whose blocks of 256 weights do not fit 192. TQ2_0+Q8_0 has a head (and embedding) of
8 bits.
"""

import ctypes
import os
import tempfile

import gguf
import llama_cpp
import numpy as np

import peers

VOCAB, HIDDEN, HEAD = 10000, 512, 32
SHAPES = {"g192": (192, 6), "g256": (256, 4)}  # width, blocks
MODES = [
    "g192-F32",
    "g192-BF16",
    "g192-Q8_0",
    "g192-Q4_0",
    "g256-Q8_0",
    "g256-Q4_0",
    "g256-TQ2_0",
    "g256-TQ2_0+Q8_0",
]


def write_gguf(path, mode, n_context):
    shape, types = mode.split("-")
    width, blocks = SHAPES[shape]
    rng = np.random.default_rng(1)
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(n_context)
    w.add_embedding_length(width)
    w.add_block_count(blocks)
    w.add_feed_forward_length(HIDDEN)
    w.add_head_count(width // HEAD)
    w.add_head_count_kv(width // HEAD)
    w.add_rope_dimension_count(HEAD)
    w.add_layer_norm_rms_eps(peers.EPS)
    w.add_vocab_size(VOCAB)
    w.add_tokenizer_model("none")

    def matrix(name, rows, cols, type_name):
        values = rng.normal(0, cols**-0.5, (rows, cols)).astype(np.float32)
        kind = gguf.GGMLQuantizationType[type_name]
        w.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    def norm(name):
        w.add_tensor(name, np.ones(width, np.float32))

    inner, _, head = types.partition("+")
    matrix("token_embd.weight", VOCAB, width, head or inner)  # the head too, there being no other
    norm("output_norm.weight")
    for n in range(blocks):
        norm(f"blk.{n}.attn_norm.weight")
        norm(f"blk.{n}.ffn_norm.weight")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{n}.{name}.weight", width, width, inner)
        for name, rows, cols in (
            ("gate", HIDDEN, width),
            ("up", HIDDEN, width),
            ("down", width, HIDDEN),
        ):
            matrix(f"blk.{n}.ffn_{name}.weight", rows, cols, inner)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


class Mode:
    def __init__(self, path, threads, streams, tokens):
        self.streams, self.tokens = streams, tokens
        model_options = llama_cpp.llama_model_default_params()
        model_options.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), model_options)
        if not self.model:
            raise RuntimeError("llama.cpp does not load the file")
        options = llama_cpp.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = (
            tokens * streams,
            max(streams, 32),
            max(streams, 32),
        )
        options.n_seq_max = streams
        options.n_threads = options.n_threads_batch = threads
        options.no_perf = True
        self.context = llama_cpp.llama_init_from_model(self.model, options)
        if not self.context:
            raise RuntimeError("llama.cpp makes no context")
        self.batch = llama_cpp.llama_batch_init(streams, 0, 1)

    def tell(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)
        batch, streams = self.batch, self.streams
        batch.n_tokens = streams
        next_token, logits = [peers.EOS] * streams, None
        for position in range(self.tokens):
            for i in range(streams):
                batch.token[i], batch.pos[i] = next_token[i], position
                batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, i, 1
            if llama_cpp.llama_decode(self.context, batch):
                raise RuntimeError("llama_decode failed")
            address = ctypes.cast(llama_cpp.llama_get_logits(self.context), ctypes.c_void_p).value
            if address != logits:
                logits = address
                kind = ctypes.c_float * (streams * VOCAB)
                table = np.ctypeslib.as_array(kind.from_address(address)).reshape(streams, VOCAB)
            next_token = table.argmax(1).tolist()


@llama_cpp.llama_log_callback
def silent(_level, _text, _data):
    pass


def prepare(mode, streams, args, folder):
    config = peers.configuration(
        f"llama.cpp (llama-cpp-python {llama_cpp.__version__})", mode, streams, args
    )
    path = os.path.join(folder, f"{mode}.gguf")
    try:
        if not os.path.exists(path):
            write_gguf(path, mode, args.tokens)
        m = Mode(path, args.threads, streams, config["tokens"])
        m.tell()
    except Exception as fault:  # a type that this version lacks: say so and go on
        return {**config, "error": " ".join(str(fault).split())[:200]}, None
    return {**config, "bytes": os.path.getsize(path)}, m.tell


def main():
    args = peers.parse(peers.parser(__doc__, MODES, checkpoint=False))
    llama_cpp.llama_log_set(silent, None)
    llama_cpp.llama_backend_init()
    with tempfile.TemporaryDirectory() as folder:
        configs = [prepare(m, s, args, folder) for m in args.modes for s in args.streams]
        peers.measure(args, configs)


if __name__ == "__main__":
    main()
