#!/usr/bin/env python3
"""Training speed of the same model and step in PyTorch, to put beside `train --bench`.

    pip install torch
    tests/bench/torch_train.py [--large] [--threads 2] [--batch 2 8 32] [--modes eager-f32 ...]

Runs FlashLM v4 "Bolt" (straight-through ternary weights, tied head, AdamW, clipping) on random tokens
and prints one JSON object per mode and batch: tok_s is the median over the steps. Modes: eager-f32,
eager-bf16 (autocast), compiled-f32, compiled-bf16.
"""

import argparse
import contextlib
import json
import statistics
import time

import torch
import torch.nn.functional as F

MODES = ["eager-f32", "eager-bf16", "compiled-f32", "compiled-bf16"]


def ternary(w):
    alpha = w.abs().mean()
    q = torch.clamp(torch.round(w / (alpha + 1e-8)), -1, 1) * alpha
    return w + (q - w).detach()


class BitLinear(torch.nn.Linear):
    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out, bias=False)
        torch.nn.init.kaiming_normal_(self.weight, mode="fan_out")

    def forward(self, x):
        return F.linear(x, ternary(self.weight))


class RMSNorm(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.scale


class Block(torch.nn.Module):
    def __init__(self, width, hidden, taps):
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.up, self.down = BitLinear(width, 2 * width), BitLinear(width, width)
        self.conv = torch.nn.Conv1d(width, width, taps, groups=width, bias=False)
        self.taps = taps
        self.gate, self.ffn_up = BitLinear(width, hidden), BitLinear(width, hidden)
        self.ffn_down = BitLinear(hidden, width)

    def forward(self, x):
        g, v = self.up(self.norm1(x)).chunk(2, dim=-1)
        v = F.pad(v.transpose(1, 2), (self.taps - 1, 0))
        x = x + self.down(self.conv(v).transpose(1, 2) * torch.sigmoid(g))
        n = self.norm2(x)
        return x + self.ffn_down(F.silu(self.gate(n)) * self.ffn_up(n))


class Bolt(torch.nn.Module):
    def __init__(self, vocab, width, blocks, hidden, taps=8):
        super().__init__()
        self.embed = torch.nn.Embedding(vocab, width)
        torch.nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = torch.nn.ModuleList(Block(width, hidden, taps) for _ in range(blocks))
        self.norm = RMSNorm(width)

    def forward(self, tokens, targets):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.embed.weight)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


def measure(mode, batch, large, seconds):
    torch.manual_seed(1)
    length = 512 if large else 256
    model = Bolt(10000, 384, 8, 896) if large else Bolt(10000, 192, 6, 512)
    forward = torch.compile(model) if mode.startswith("compiled") else model
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=4e-3, betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    tokens = torch.randint(0, 10000, (batch, length + 1))
    bf16 = mode.endswith("bf16")

    def step():
        optimiser.zero_grad(set_to_none=True)
        cast = torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext()
        with cast:
            loss = forward(tokens[:, :-1], tokens[:, 1:])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    for _ in range(2):
        step()
    times = []
    start = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return batch * length / statistics.median(times), len(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, nargs="+", default=[2, 8, 32])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--seconds", type=float, default=10, help="per mode and batch")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for mode in args.modes:
        for batch in args.batch:
            try:
                tok_s, steps = measure(mode, batch, args.large, args.seconds)
            except Exception as fault:  # a compiler may be missing: say so and go on
                print(json.dumps({"mode": mode, "batch": batch, "error": str(fault)[:200]}), flush=True)
                continue
            print(
                json.dumps(
                    {"mode": mode, "batch": batch, "threads": args.threads, "tok_s": round(tok_s),
                     "steps": steps, "torch": torch.__version__}
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
