"""Files as PyTorch and FlashLM v4 wrote them, made without PyTorch.

    import.py FOLDER    best.pt, step.pt and tokenizer.json of a small model; *-bad.pt, each of which must be refused
"""

import collections
import json
import os
import pickle
import random
import struct
import sys
import types
import zipfile

V, D, H, L, K = 300, 8, 12, 2, 8


def fake(module, name, value=None):
    """Something that a pickle calls module.name."""
    thing = value or (lambda *a: None)
    made = sys.modules.setdefault(module, types.ModuleType(module))
    thing.__module__, thing.__qualname__, thing.__name__ = module, name, name
    setattr(made, name, thing)
    return thing


sys.modules.setdefault("torch", types.ModuleType("torch"))
rebuild = fake("torch._utils", "_rebuild_tensor_v2")
FloatStorage = fake("torch", "FloatStorage", type("FloatStorage", (), {}))
LongStorage = fake("torch", "LongStorage", type("LongStorage", (), {}))


class Stored:
    def __init__(self, key, kind, n):
        self.key, self.kind, self.n = key, kind, n


class Tensor:
    def __init__(self, key, shape, raw, kind=FloatStorage, stride=None):
        self.shape, self.raw, self.stored = shape, raw, Stored(str(key), kind, len(raw) // 4)
        self.stride = stride or tuple(self.step(i) for i in range(len(shape)))

    def step(self, i):
        n = 1
        for size in self.shape[i + 1 :]:
            n *= size
        return n

    def __reduce__(self):
        return rebuild, (self.stored, 0, self.shape, self.stride, False, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return ("storage", obj.kind, obj.key, "cpu", obj.n) if isinstance(obj, Stored) else None


def save(path, data, tensors, compress=zipfile.ZIP_STORED, order=b"little"):
    import io

    text = io.BytesIO()
    Pickler(text, 2).dump(data)
    with zipfile.ZipFile(path, "w", compress) as z:
        z.writestr("x/data.pkl", text.getvalue())
        z.writestr("x/byteorder", order)
        for t in tensors:
            z.writestr(f"x/data/{t.stored.key}", t.raw)


def main():
    os.chdir(sys.argv[1])
    rng = random.Random(1)
    tensors = []

    def tensor(*shape, **kind):
        n = 1
        for size in shape:
            n *= size
        tensors.append(Tensor(len(tensors), shape, struct.pack(f"<{n}f", *(rng.gauss(0, 1) for _ in range(n))), **kind))
        return tensors[-1]

    shapes = {"norm1.scale": (D,), "mixer.up.weight": (2 * D, D), "mixer.conv.weight": (D, 1, K), "mixer.down.weight": (D, D),
              "norm2.scale": (D,), "ffn.W_gate.weight": (H, D), "ffn.W_up.weight": (H, D), "ffn.W_down.weight": (D, H)}
    model = collections.OrderedDict({"embedding.weight": tensor(V, D)})
    for block in range(L):
        model |= {f"blocks.{block}.{name}": tensor(*shape) for name, shape in shapes.items()}
    model["final_norm.scale"] = tensor(D)
    weights = dict(model)
    model["head.weight"] = model["embedding.weight"]
    save("best.pt", model, tensors)
    n_weights = len(tensors)
    state = {n: {"step": tensor(), "exp_avg": tensor(*w.shape), "exp_avg_sq": tensor(*w.shape)} for n, w in enumerate(weights.values())}
    config = {"vocab_size": V, "dim": D, "n_blocks": L, "kernel_size": K, "glu_hidden": H, "seq_len": 32}
    optimiser = {"state": state, "param_groups": [{"lr": 0.004, "params": list(range(len(weights)))}]}
    run = {"model_state_dict": model, "optimizer_state_dict": optimiser, "step": 5000, "epoch": 1, "best_val_loss": 2.5,
           "tokens_seen": 123, "config": config}
    save("step.pt", run, tensors)

    names = {name: t.raw for name, t in weights.items()}
    for kind, part in (("adam_m", "exp_avg"), ("adam_v", "exp_avg_sq")):
        names |= {f"{kind}.{name}": state[n][part].raw for n, name in enumerate(weights)}
    with open("tensors.json", "w") as f:
        json.dump({name: raw.hex() for name, raw in names.items()}, f)

    first = tensors[:n_weights]
    save("compressed-bad.pt", model, first, compress=zipfile.ZIP_DEFLATED)
    save("big-endian-bad.pt", model, first, order=b"big")
    save("missing-bad.pt", model, first[:-1])
    other = tensor(V, D)
    save("head-bad.pt", model | {"head.weight": other}, tensors)
    save("long-bad.pt", model | {"final_norm.scale": Tensor(99, (D,), bytes(8 * D), LongStorage)}, first)
    save("strange-bad.pt", model | {"blocks.0.attention.weight": tensor(D)}, tensors)
    save("column-bad.pt", model | {"embedding.weight": Tensor(0, (V, D), first[0].raw, stride=(1, V))}, first)
    save("short-bad.pt", model | {"final_norm.scale": Tensor(n_weights - 1, (D + 1,), first[-1].raw)}, first)
    save("other-bad.pt", {"weights": 1}, [])
    save("optimiser-bad.pt", run | {"optimizer_state_dict": {"state": {}, "param_groups": [{"params": [0]}]}}, tensors)

    class Evil:
        def __reduce__(self):
            return os.system, ("echo > pwned",)

    save("evil-bad.pt", model | {"final_norm.scale": Evil()}, first)
    with open("best.pt", "rb") as f:
        whole = f.read()
    with open("cut-bad.pt", "wb") as f:
        f.write(whole[: len(whole) // 2])


if __name__ == "__main__":
    main()
