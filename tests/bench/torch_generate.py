#!/usr/bin/env python3
"""Decoding speed of the same model in PyTorch, to put beside `sample --bench`.

    pip install torch safetensors
    tests/bench/torch_generate.py [--checkpoint best.safetensors] [--threads 2] [--streams 1 64]

One token a step and stream, greedy, at a constant cost a token: the convolutions' past is kept,
the ternary weights are made floats once, the products that share an input are one. Modes: eager in
float32 or bfloat16; int8 (torch.ao's dynamic quantisation of the linear layers and the head,
eager); script (TorchScript, frozen and optimised for inference); compiled (torch.export and the
inductor ahead of time with frozen weights: the code of torch.compile without its checks at every
call, which is faster here).
"""

import os
import tempfile
import warnings

import torch
import torch._inductor
import torch.nn.functional as F

import peers

MODES = ["eager-f32", "eager-bf16", "int8", "script-f32", "compiled-f32", "compiled-bf16"]


def linear(*weights):
    w = torch.cat([torch.from_numpy(w) for w in weights])
    layer = torch.nn.Linear(w.shape[1], w.shape[0], bias=False)
    layer.weight = torch.nn.Parameter(w, requires_grad=False)
    return layer


class Block(torch.nn.Module):
    def __init__(self, bolt, n):
        super().__init__()
        self.up = linear(bolt.block(n, "mixer.up.weight"))
        self.down = linear(bolt.block(n, "mixer.down.weight"))
        self.ffn_in = linear(bolt.block(n, "ffn.W_gate.weight"), bolt.block(n, "ffn.W_up.weight"))
        self.ffn_down = linear(bolt.block(n, "ffn.W_down.weight"))
        self.register_buffer("norm1", torch.from_numpy(bolt.block(n, "norm1.scale")))
        self.register_buffer("norm2", torch.from_numpy(bolt.block(n, "norm2.scale")))
        self.register_buffer("taps", torch.from_numpy(bolt.taps(n)))
        self.dilation = bolt.dilation[n]

    def forward(self, x, past):
        """x [B][D], past [B][P][D]; returns x and the past of the next token."""
        gate, value = self.up(F.rms_norm(x, x.shape[-1:], self.norm1, peers.EPS)).chunk(2, dim=-1)
        window = torch.cat((past, value.unsqueeze(1)), 1)
        mixed = (window[:, :: self.dilation] * self.taps).sum(1)
        x = x + self.down(mixed * torch.sigmoid(gate))
        a, b = self.ffn_in(F.rms_norm(x, x.shape[-1:], self.norm2, peers.EPS)).chunk(2, dim=-1)
        return x + self.ffn_down(F.silu(a) * b), window[:, 1:]


class Step(torch.nn.Module):
    def __init__(self, bolt):
        super().__init__()
        self.embed = torch.nn.Embedding.from_pretrained(
            torch.from_numpy(bolt.tensors["embedding.weight"])
        )
        self.blocks = torch.nn.ModuleList(Block(bolt, n) for n in range(bolt.blocks))
        self.register_buffer("norm", torch.from_numpy(bolt.tensors["final_norm.scale"]))
        self.head = linear(bolt.tensors["embedding.weight"])
        self.head.weight = self.embed.weight

    def forward(self, token, past):
        x = self.embed(token)
        after = []
        for block, p in zip(self.blocks, past):
            x, p = block(x, p)
            after.append(p)
        logits = self.head(F.rms_norm(x, x.shape[-1:], self.norm, peers.EPS))
        return logits.argmax(-1), after


def compiled(step, example, folder):
    path = os.path.join(tempfile.mkdtemp(dir=folder), "step.pt2")
    program = torch.export.export(step, example)
    torch._inductor.aoti_compile_and_package(
        program, package_path=path, inductor_configs={"freezing": True}
    )
    return torch._inductor.aoti_load_package(path)


class Mode:
    """A model in one mode for one number of streams."""

    def __init__(self, bolt, mode, streams, tokens, folder):
        self.dtype = torch.bfloat16 if "bf16" in mode else torch.float32
        self.bolt, self.streams, self.tokens = bolt, streams, tokens
        step = Step(bolt).eval().to(self.dtype)
        if mode == "int8":
            # the head shares its weight with the embedding, which stays in floats
            step = torch.ao.quantization.quantize_dynamic(
                step, {torch.nn.Linear}, dtype=torch.qint8
            )
        example = (torch.full((streams,), peers.EOS), self.past())
        if mode.startswith("script"):
            step = torch.jit.optimize_for_inference(
                torch.jit.freeze(torch.jit.trace(step, example))
            )
        if mode.startswith("compiled"):
            step = compiled(step, example, folder)
        self.step = step

    def past(self):
        sizes = [(self.streams, self.bolt.reach(n), self.bolt.dim) for n in range(self.bolt.blocks)]
        return [torch.zeros(s, dtype=self.dtype) for s in sizes]

    def tell(self):
        token, past, story = torch.full((self.streams,), peers.EOS), self.past(), []
        for _ in range(self.tokens):
            token, past = self.step(token, past)
            story.append(token)
        return torch.cat(story).tolist()

    def next_tokens(self, fed):
        past, found = self.past(), []
        for t in fed:
            token, past = self.step(torch.full((self.streams,), t), past)
            found.append(token[0])
        return found


def prepare(bolt, mode, streams, args, folder):
    config = peers.configuration(f"torch {torch.__version__}", mode, streams, args)
    try:
        with torch.inference_mode():
            m = Mode(bolt, mode, streams, config["tokens"], folder)
            m.tell()
            if args.expect and args.checkpoint and streams == 1:
                config.update(peers.agreement(args.expect, m.next_tokens))
    except Exception as fault:  # a compiler may be missing: say so and go on
        return {**config, "error": " ".join(str(fault).split())[:200]}, None
    return config, torch.inference_mode()(m.tell)


def main():
    args = peers.parse(peers.parser(__doc__, MODES))
    warnings.simplefilter("ignore")  # what is deprecated is still what runs fastest
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    bolt = peers.load_bolt(args)
    with tempfile.TemporaryDirectory() as folder:
        configs = [prepare(bolt, m, s, args, folder) for m in args.modes for s in args.streams]
        peers.measure(args, configs)


if __name__ == "__main__":
    main()
