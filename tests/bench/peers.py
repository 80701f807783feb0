"""What the comparisons in this folder share: the model's weights, rounds that a driver can pace.

Not a program. The peers are torch_generate.py, onnx_generate.py and llamacpp_generate.py;
generate.py runs them beside `sample`.
"""

import argparse
import json
import statistics
import sys
import time

import numpy as np

EPS = 1e-6
EOS = 3  # a story follows it
LINEAR = ("mixer.up", "mixer.down", "ffn.W_gate", "ffn.W_up", "ffn.W_down")


class Bolt:
    """Sizes and weights (numpy, float32, ternary ones as values) of a model."""

    def __init__(self, vocab, dim, blocks, hidden, kernel, dilation, tensors):
        self.vocab, self.dim, self.blocks, self.hidden = vocab, dim, blocks, hidden
        self.kernel, self.dilation, self.tensors = kernel, dilation, tensors

    def block(self, n, name):
        return self.tensors[f"blocks.{n}.{name}"]

    def taps(self, n):
        """The convolution of a block as [K][D]; the last row meets the token itself."""
        return np.ascontiguousarray(self.block(n, "mixer.conv.weight")[:, 0, :].T)

    def reach(self, n):
        """Value vectors before the token's own that the convolution of a block looks back on."""
        return (self.kernel - 1) * self.dilation[n]


def ternary(w):
    alpha = np.abs(w).mean(dtype=np.float64)
    return (np.clip(np.round(w / np.float32(alpha + 1e-8)), -1, 1) * alpha).astype(np.float32)


def random_bolt(args):
    rng = np.random.default_rng(1)
    D, H, K = args.dim, args.hidden, args.kernel

    def normal(*shape, std):
        return rng.normal(0, std, shape).astype(np.float32)

    tensors = {
        "embedding.weight": normal(args.vocab, D, std=0.05),
        "final_norm.scale": np.ones(D, np.float32),
    }
    for n in range(args.blocks):
        sizes = {
            "mixer.up": (2 * D, D),
            "mixer.down": (D, D),
            "ffn.W_gate": (H, D),
            "ffn.W_up": (H, D),
            "ffn.W_down": (D, H),
        }
        for name, (rows, cols) in sizes.items():
            tensors[f"blocks.{n}.{name}.weight"] = ternary(normal(rows, cols, std=cols**-0.5))
        tensors[f"blocks.{n}.mixer.conv.weight"] = normal(D, 1, K, std=K**-0.5)
        for norm in ("norm1", "norm2"):
            tensors[f"blocks.{n}.{norm}.scale"] = np.ones(D, np.float32)
    return Bolt(args.vocab, D, args.blocks, H, K, [1] * args.blocks, tensors)


def read_bolt(path):
    """A checkpoint of train, or weights of `export --format safetensors`: common/format/CKPT.md."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as f:
        meta = f.metadata() or {}
        names = [k for k in f.keys() if not k.startswith("adam_")]
        tensors = {k: f.get_tensor(k) for k in names}
    if meta.get("weights") != "ternary":
        for name in tensors:
            if any(name.endswith(f".{layer}.weight") for layer in LINEAR):
                tensors[name] = ternary(tensors[name])
    vocab, dim = tensors["embedding.weight"].shape
    blocks = 1 + max(int(k.split(".")[1]) for k in names if k.startswith("blocks."))
    dilation = [int(x) for x in meta.get("dilation", ",".join(["1"] * blocks)).split(",")]
    hidden = tensors["blocks.0.ffn.W_gate.weight"].shape[0]
    kernel = tensors["blocks.0.mixer.conv.weight"].shape[2]
    return Bolt(vocab, dim, blocks, hidden, kernel, dilation, tensors)


def load_bolt(args):
    return read_bolt(args.checkpoint) if args.checkpoint else random_bolt(args)


def parser(doc, modes, checkpoint=True):
    p = argparse.ArgumentParser(description=doc.splitlines()[0])
    if checkpoint:
        p.add_argument(
            "--checkpoint", help="safetensors of train or export (default: random weights)"
        )
        p.add_argument(
            "--expect", help="JSON of `sample -t 0 --json -p ''`: count the tokens that agree"
        )
        p.add_argument("--large", action="store_true", help="sizes of the preset, random weights")
        sizes = {"vocab": 10000, "dim": 192, "blocks": 6, "hidden": 512, "kernel": 8}
        for name, size in sizes.items():
            p.add_argument(f"--{name}", type=int, default=size)
    p.add_argument("--modes", nargs="+", choices=modes, default=modes)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--streams", type=int, nargs="+", default=[1], help="stories told at once")
    p.add_argument("--tokens", type=int, default=256, help="of a story; a quarter if several")
    p.add_argument("--seconds", type=float, default=0.5, help="of a round, at least one story")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", action="store_true", help="one object for each measurement")
    p.add_argument(
        "--paced", action="store_true", help="wait for a line of input before each measurement"
    )
    return p


def parse(p):
    args = p.parse_args()
    if getattr(args, "large", False):
        args.dim, args.blocks, args.hidden = 384, 8, 896
    return args


def configuration(runtime, mode, streams, args):
    """What a measurement is called, and the tokens of each of its stories."""
    tokens = args.tokens if streams == 1 else max(1, args.tokens // 4)
    return {
        "runtime": runtime,
        "mode": mode,
        "threads": args.threads,
        "streams": streams,
        "tokens": tokens,
    }


def agreement(path, next_tokens):
    """How many of the tokens that sample drew are those next_tokens(fed) finds likeliest, being fed
    the same tokens before them: a tie decided otherwise does not spoil the rest."""
    with open(path) as f:
        drawn = json.loads(f.readline())["tokens"]
    found = next_tokens([EOS] + drawn[:-1])
    return {"agree": sum(int(a) == b for a, b in zip(found, drawn)), "of": len(drawn)}


def talk(args, record):
    if args.json or args.paced:
        print(json.dumps(record), flush=True)


def measure(args, configs):
    """Rounds over all of configs: [(record, tell)], record of configuration(), and
    tell() tells record["streams"] stories of record["tokens"] tokens, or is None if the record has
    an "error" instead. Prints what args ask for."""
    talk(args, {"configs": [c for c, _ in configs]})
    speeds = [[] for _ in configs]
    for round_ in range(args.rounds):
        for i, (config, tell) in enumerate(configs):
            if args.paced and not sys.stdin.readline():
                return
            if tell is None:
                talk(args, config)
                continue
            tokens, start = 0, time.perf_counter()
            while not tokens or time.perf_counter() - start < args.seconds:
                tell()
                tokens += config["tokens"] * config["streams"]
            speeds[i].append(tokens / (time.perf_counter() - start))
            talk(args, {**config, "round": round_, "tok_s": round(speeds[i][-1], 1)})
    if args.json or args.paced:
        return
    print(f"{'mode':16} {'threads':>7} {'streams':>7} {'tokens/s':>9} {'min':>9} {'max':>9}")
    for (config, _), s in zip(configs, speeds):
        line = f"{config['mode']:16} {config['threads']:7} {config['streams']:7}"
        if "error" in config:
            print(f"{line} {config['error']}")
            continue
        print(f"{line} {statistics.median(s):9.0f} {min(s):9.0f} {max(s):9.0f}", end="")
        print(f"  {config['agree']} of {config['of']} tokens agree" if "agree" in config else "")
