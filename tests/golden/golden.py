#!/usr/bin/env python3
"""Golden files by PyTorch: the model of common/format/CKPT.md written a second time, token by token where that is
simplest, in float64, with automatic differentiation and PyTorch's own AdamW.

    golden.py check FILE...    computes each file from its own weights and tokens, and compares all that it holds
    golden.py make FILE        writes bolt-attention.safetensors again, but for the order of its metadata
"""

import sys

import torch
from safetensors import safe_open
from safetensors.torch import save_file

MARGIN = 2e-5  # the least distance of a weight from where rounding changes, relative to the mean


# ---- the model ---------------------------------------------------------------------------------


class Sizes:
    def __init__(self, meta):
        self.blocks, self.kernel = int(meta["n_blocks"]), int(meta["kernel_size"])
        self.dilation = [int(x) for x in meta["dilation"].split(",")]
        self.mixers = meta["mixers"].split(",") if "mixers" in meta else ["conv"] * self.blocks
        self.heads, self.key_width, self.window = (int(meta.get(k, 0)) for k in ("heads", "key_width", "window"))
        self.embed_norm = meta.get("embed_norm", "0") == "1"


def rmsnorm(x, scale=1.0):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6) * scale


def is_ternary(name):
    return name.endswith(("up.weight", "down.weight", "query_key.weight", "W_gate.weight", "W_up.weight", "W_down.weight"))


def ternary(w):
    """Rounded forward, as if not rounded backward."""
    mean = w.abs().mean()
    return w + ((w / (mean + 1e-8)).round().clamp(-1, 1) * mean - w).detach()


def margin(w):
    x = w / (w.abs().mean() + 1e-8)
    return (x.abs() - 0.5).abs().min().item()


def convolution(v, taps, dilation):
    """mix[t] = sum over taps i of taps[i] * v[t - (K - 1 - i) * dilation]; v [B][T][D], taps [D][K]."""
    n = taps.shape[1]
    rows = []
    for t in range(v.shape[1]):
        row = torch.zeros_like(v[:, 0])
        for i in range(n):
            at = t - (n - 1 - i) * dilation
            if at >= 0:
                row = row + taps[:, i] * v[:, at]
        rows.append(row)
    return torch.stack(rows, 1)


def attention(query, key, value, bias, s):
    """Of each head, over the positions j from t back to the start of the text or of the window."""
    rows = []
    for t in range(value.shape[1]):
        first = max(0, t - s.window + 1)
        row = []
        for head in range(s.heads):
            keys = slice(head * s.key_width, (head + 1) * s.key_width)
            width = value.shape[2] // s.heads
            values = slice(head * width, (head + 1) * width)
            scores = [(query[:, t, keys] * key[:, j, keys]).sum(-1) / s.key_width**0.5 + bias[head, t - j]
                      for j in range(first, t + 1)]
            weights = torch.softmax(torch.stack(scores, -1), -1)
            row.append((weights[:, :, None] * value[:, first : t + 1, values]).sum(1))
        rows.append(torch.cat(row, -1))
    return torch.stack(rows, 1)


def forward(w, tokens, s):
    x = w["embedding.weight"][tokens]
    if s.embed_norm:
        x = rmsnorm(x)
    for n in range(s.blocks):
        def get(name):
            full = f"blocks.{n}.{name}"
            return ternary(w[full]) if is_ternary(full) else w[full]

        normed = rmsnorm(x, get("norm1.scale"))
        gate, value = (normed @ get("mixer.up.weight").T).chunk(2, -1)
        if s.mixers[n] == "attention":
            query, key = (normed @ get("mixer.query_key.weight").T).chunk(2, -1)
            mixed = attention(query, key, value, get("mixer.distance.bias"), s)
        else:
            mixed = convolution(value, get("mixer.conv.weight")[:, 0], s.dilation[n])
        x = x + (mixed * torch.sigmoid(gate)) @ get("mixer.down.weight").T
        normed = rmsnorm(x, get("norm2.scale"))
        gate, up = normed @ get("ffn.W_gate.weight").T, normed @ get("ffn.W_up.weight").T
        x = x + (gate * torch.sigmoid(gate) * up) @ get("ffn.W_down.weight").T
    return rmsnorm(x, w["final_norm.scale"]) @ w["embedding.weight"].T


# ---- what a file holds -------------------------------------------------------------------------


def compute(weights, tokens, targets, meta, steps):
    """All that a golden file of these weights and tokens holds beside them, and the least margin on the way."""
    s = Sizes(meta)
    w = {k: v.double().requires_grad_() for k, v in weights.items()}
    adamw = torch.optim.AdamW(w.values(), lr=float(meta["lr"]), betas=(float(meta["beta1"]), float(meta["beta2"])),
                              eps=float(meta["adam_eps"]), weight_decay=float(meta["weight_decay"]))
    out, losses, norms, least = {}, [], [], 1.0
    for step in range(1, steps + 1):
        least = min([least, *(margin(v.detach()) for k, v in w.items() if is_ternary(k))])
        adamw.zero_grad()
        logits = forward(w, tokens, s)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        if step == 1:
            out["output.logits"] = logits
            out.update({f"grad.{k}": v.grad.clone() for k, v in w.items()})
        losses.append(loss.item())
        norms.append(torch.nn.utils.clip_grad_norm_(w.values(), float(meta["grad_clip"])).item())
        adamw.step()
        if step != 2:
            out.update({f"step{step}.{k}": v.detach().clone() for k, v in w.items()})
    out["output.losses"], out["output.grad_norms"] = torch.tensor(losses), torch.tensor(norms)
    return {k: v.detach().float().contiguous() for k, v in out.items()}, least


def bound(name):
    return 1e-5 if name.startswith("step") else 1e-4  # of weights absolute, of all else relative to the largest


def check(path):
    with safe_open(path, "pt") as f:
        meta, had = f.metadata(), {k: f.get_tensor(k) for k in f.keys()}
    weights = {k: v for k, v in had.items() if k.startswith(("embedding.", "blocks.", "final_norm."))}
    found, least = compute(weights, had["input.tokens"].long(), had["input.targets"].long(), meta, len(had["output.losses"]))
    failed = least < MARGIN
    worst = 0.0
    for name, want in had.items():
        if name in weights or name.startswith("input."):
            continue
        error = (found[name] - want).abs()
        if name.startswith("step"):  # AdamW divides tiny gradients by themselves: noise
            error = error[had["grad." + name.split(".", 1)[1]].abs() >= 1e-6]
        else:
            error = error / want.abs().max()
        error = error.max().item()
        worst = max(worst, error / bound(name))
        if not error <= bound(name):
            failed = True
            print(f"{path}: {name}: error {error:.2g}, expected at most {bound(name):.2g}")
    print(f"{path}: largest error {worst:.2g} of its bound, margin {least:.2g}")
    return failed


# ---- a new file --------------------------------------------------------------------------------

META = {
    "format": "pt", "model": "bolt", "checkpoint_version": "2", "vocab_size": "40", "dim": "16", "n_blocks": "3",
    "kernel_size": "3", "glu_hidden": "20", "seq_len": "19", "batch": "2", "norm_eps": "1e-06", "lr": "0.004",
    "weight_decay": "0.01", "beta1": "0.9", "beta2": "0.95", "adam_eps": "1e-08", "grad_clip": "1.0", "dilation": "1,2,1",
    "mixers": "attention,conv,attention", "heads": "2", "key_width": "5", "window": "6", "embed_norm": "1",
}


def shapes():
    vocab, width, hidden = (int(META[k]) for k in ("vocab_size", "dim", "glu_hidden"))
    s = Sizes(META)
    yield "embedding.weight", (vocab, width)
    for n, mixer in enumerate(s.mixers):
        own = {"conv": [("mixer.conv.weight", (width, 1, s.kernel))],
               "attention": [("mixer.query_key.weight", (2 * s.heads * s.key_width, width)),
                             ("mixer.distance.bias", (s.heads, s.window))]}[mixer]
        for name, shape in [("norm1.scale", (width,)), ("mixer.up.weight", (2 * width, width)), *own,
                            ("mixer.down.weight", (width, width)), ("norm2.scale", (width,)),
                            ("ffn.W_gate.weight", (hidden, width)), ("ffn.W_up.weight", (hidden, width)),
                            ("ffn.W_down.weight", (width, hidden))]:
            yield f"blocks.{n}.{name}", shape
    yield "final_norm.scale", (width,)


def make(path):
    """Weights of the first seed that keep away from the borders of rounding through all steps."""
    for seed in range(1000):
        torch.manual_seed(seed)
        weights = {name: 0.3 * torch.randn(shape) + (1 if name.endswith("scale") else 0) for name, shape in shapes()}
        tokens, targets = torch.randint(int(META["vocab_size"]), (2, int(META["batch"]), int(META["seq_len"])))
        found, least = compute(weights, tokens, targets, META, 3)
        if least < 2 * MARGIN:
            continue
        inputs = {"input.tokens": tokens.int().contiguous(), "input.targets": targets.int().contiguous()}
        save_file({**weights, **inputs, **found}, path, {**META, "rounding_margin": repr(least)})
        return False
    print(f"{path}: no seed keeps away from the borders of rounding")
    return True


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) < 3 or sys.argv[1] not in ("check", "make"):
        sys.exit(__doc__)
    sys.exit(any([{"check": check, "make": make}[sys.argv[1]](path) for path in sys.argv[2:]]))
