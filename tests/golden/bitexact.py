#!/usr/bin/env python3
"""The computation of a token as common/blob/BLOB.md defines it, in NumPy, and a comparison: the
logits of libbolt must have the same bits.

    bitexact.py LIBBOLT.so MODEL.bolt [TOKENS]

Prints a line for each arithmetic and instruction set of this machine; exits with 1 at a difference.
Everything here is single precision unless it says otherwise; NumPy neither fuses nor reorders."""

import ctypes
import sys

import numpy as np

f32 = np.float32
EOS = 3
LEVELS = ["c", "v128", "avx2", "avx512", "avx512vnni"]


class Blob:
    def __init__(self, path):
        b = np.fromfile(path, "u1")
        n = int(b[32:36].view("<u4")[0])
        fields = [("type", "<u4"), ("index", "<u4"), ("at", "<u8"), ("bytes", "<u8"), ("encoding", "<u4"),
                  ("alpha", "<f4")]
        self.table = b[128:128 + 32 * n].view(fields)
        self.data = [b[int(s["at"]):int(s["at"] + s["bytes"])] for s in self.table]
        numbers = [int(x) for x in self.data[0].view("<u4")]
        self.V, self.D, self.H, self.K, self.L, self.T = numbers[:6]
        self.dilation = numbers[6:6 + self.L]
        self.mixer, self.heads, self.key_width, self.window, self.embed_norm = [0] * self.L, 0, 0, 0, 0
        if int(b[8:12].view("<u4")[0]) >= 5:
            self.heads, self.key_width, self.window, self.embed_norm = numbers[6 + self.L:10 + self.L]
            self.mixer = numbers[10 + self.L:]
        self.encoding = int(self.table[2]["encoding"])
        e = self.data[2]
        if self.encoding == 2:
            self.scale = e[:4 * self.V].view("<f4")
            self.embed = e[(4 * self.V + 63) // 64 * 64:].view("i1").reshape(self.V, self.D)
        else:
            self.embed = e.view("<f4" if self.encoding == 0 else "<f2").reshape(self.V, self.D).astype(f32)

    def floats(self, tensor):
        return self.data[2 + tensor].view("<f4")

    def ternary(self, tensor, rows, cols):
        codes = self.data[2 + tensor].reshape(rows, -1)
        codes = np.stack([codes >> 2 * i & 3 for i in range(4)], 2).reshape(rows, -1)[:, :cols]
        return codes.astype("i4") - 1, f32(self.table[2 + tensor]["alpha"])


def exp(x):
    n = np.rint(x * f32(1.44269504))
    r = (x - n * f32(0.693359375)) - n * f32(-2.12194440e-4)
    p = np.full_like(x, f32(1.9875691500e-4))
    for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5):
        p = p * r + f32(c)
    p = (p * (r * r) + r) + f32(1)
    power = np.ldexp(p, n.astype("i4"))
    return np.where(x < f32(-87.3), f32(0), np.where(x > f32(88.7), f32(np.inf), power))


def sigmoid(x):
    return f32(1) / (f32(1) + exp(-x))


def rmsnorm(x, scale):
    lanes = np.zeros(16, f32)
    for i in range(0, len(x), 16):
        squares = x[i:i + 16] * x[i:i + 16]
        lanes[:len(squares)] += squares
    for half in (8, 4, 2, 1):
        lanes[:half] += lanes[half:2 * half]
    r = f32(1) / np.sqrt(lanes[0] / f32(len(x)) + f32(1e-6))
    return (x * r) * scale


def round_row(x):
    most = np.abs(x).max()
    if most < f32(1e-30):
        return np.zeros(len(x), "i4"), f32(0)
    return np.rint(x * (f32(127) / most)).astype("i4"), most / f32(127)


def product(matrix, x, int8):
    w, alpha = matrix
    if int8:
        q, scale = round_row(x)
        return (w @ q).astype(f32) * (alpha * scale)
    pad = -len(x) % 3
    x = np.concatenate([x, np.zeros(pad, f32)])
    w = np.concatenate([w, np.zeros((len(w), pad), "i4")], 1)
    term = np.where(w == 0, f32(0), np.where(w > 0, x, -x))
    y = np.zeros(len(w), f32)
    for c in range(0, len(x), 3):
        y = y + ((term[:, c] + term[:, c + 1]) + term[:, c + 2])
    return y * alpha


class Model:
    def __init__(self, blob, int8):
        self.b = blob
        self.int8 = int8
        self.blocks = []
        V, D, H, K = blob.V, blob.D, blob.H, blob.K
        t = 1
        for l in range(blob.L):
            w, alpha = blob.ternary(t + 1, 2 * D, D)
            p = {"norm1": blob.floats(t), "gate": (w[:D], alpha), "value": (w[D:], alpha), "v": [], "k": []}
            if blob.mixer[l] == 0:
                p["taps"] = blob.floats(t + 2).reshape(D, K)
                t += 3
            else:
                p["query_key"] = blob.ternary(t + 2, 2 * blob.heads * blob.key_width, D)
                p["bias"] = blob.floats(t + 3).reshape(blob.heads, blob.window)
                t += 4
            p.update({"down": blob.ternary(t, D, D), "norm2": blob.floats(t + 1),
                      "W_gate": blob.ternary(t + 2, H, D), "W_up": blob.ternary(t + 3, H, D),
                      "W_down": blob.ternary(t + 4, D, H)})
            t += 5
            self.blocks.append(p)
        self.final = blob.floats(t)
        if int8 and blob.encoding == 2:
            self.head, self.scale = blob.embed.astype("i4"), blob.scale
        elif int8:
            self.round_head()

    def round_head(self):
        """In double precision but for the rows that are rounded."""
        e, norm = self.b.embed, self.final.astype("f8")
        squares = np.zeros(self.b.D)
        for row in e:
            squares += row.astype("f8") ** 2
        f = np.sqrt(np.sqrt(np.abs(norm) / np.sqrt(squares / self.b.V)))
        f = np.clip(f, 1 / 256, 256).astype(f32)
        self.final = (norm / f.astype("f8")).astype(f32)
        rows = e * f
        self.scale = np.abs(rows).max(1) / f32(127)
        self.head = np.clip(np.rint(rows / self.scale[:, None]), -127, 127).astype("i4")

    def step(self, t, token):
        b = self.b
        x = b.embed[token].astype(f32)
        if b.encoding == 2:
            x = x * b.scale[token]
        if b.embed_norm:
            x = rmsnorm(x, np.ones(b.D, f32))
        for l, p in enumerate(self.blocks):
            n = rmsnorm(x, p["norm1"])
            g = product(p["gate"], n, self.int8)
            p["v"].append(product(p["value"], n, self.int8))
            m = self.attention(p, n) if b.mixer[l] else self.convolution(p, t, b.dilation[l])
            x = x + product(p["down"], m * sigmoid(g), self.int8)
            n = rmsnorm(x, p["norm2"])
            a = product(p["W_gate"], n, self.int8)
            h = (a * sigmoid(a)) * product(p["W_up"], n, self.int8)
            x = x + product(p["W_down"], h, self.int8)
        return rmsnorm(x, self.final)

    def convolution(self, p, t, d):
        b = self.b
        taps = min(b.K, t // d + 1)
        m = np.zeros(b.D, f32)
        for i in range(b.K - taps, b.K):
            m = m + p["taps"][:, i] * p["v"][t - (b.K - 1 - i) * d]
        return m

    def attention(self, p, n):
        b = self.b
        both = product(p["query_key"], n, self.int8).reshape(2, b.heads, b.key_width)
        p["k"].append(both[1])
        keys, values = np.stack(p["k"][-b.window:]), np.stack(p["v"][-b.window:]).reshape(-1, b.heads, b.D // b.heads)
        N = len(keys)
        s = f32(1) / np.sqrt(f32(b.key_width))
        out = []
        for h in range(b.heads):
            x = np.zeros(N, f32)
            for c in range(b.key_width):
                x = x + both[0, h, c] * keys[:, h, c]
            x = x * s + p["bias"][h, :N][::-1]
            w = exp(x - x.max())
            lanes, sums = np.zeros(16, f32), np.zeros((4, b.D // b.heads), f32)
            for j in range(N):
                lanes[j % 16] += w[j]
                sums[j % 4] += w[j] * values[j, h]
            for half in (8, 4, 2, 1):
                lanes[:half] += lanes[half:2 * half]
            out.append(((sums[0] + sums[1]) + (sums[2] + sums[3])) * (f32(1) / lanes[0]))
        return np.concatenate(out)

    def logits(self, h):
        if self.int8:
            q, scale = round_row(h)
            return ((self.head @ q).astype(f32) * scale) * self.scale
        w = self.b.embed.astype(f32)
        z = np.zeros(self.b.V, f32)
        for c in range(self.b.D):
            z = z + w[:, c] * h[c]
        return z * self.b.scale if self.b.encoding == 2 else z


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("math", ctypes.c_int), ("cpu", ctypes.c_char_p)]


def of_library(path, model, int8, level, tokens, n_logits):
    """Logits after the tokens by libbolt, or None where the machine lacks the level."""
    lib = ctypes.CDLL(path)
    lib.bolt_logits.restype = ctypes.POINTER(ctypes.c_float)
    m, c, message = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(200)
    options = Options(ctypes.sizeof(Options), 0 if int8 else 1, level.encode())
    if lib.bolt_open_file(model.encode(), ctypes.byref(options), ctypes.byref(m), message,
                          ctypes.c_size_t(200)):
        if b"this processor has no" in message.value:
            return None
        sys.exit(message.value.decode())
    if lib.bolt_context_new(m, None, ctypes.byref(c), message, ctypes.c_size_t(200)):
        sys.exit(message.value.decode())
    ids = (ctypes.c_int32 * len(tokens))(*tokens)
    if lib.bolt_step(c, ids, ctypes.c_size_t(len(tokens))):
        sys.exit("bolt_step failed")
    z = np.ctypeslib.as_array(lib.bolt_logits(c), (n_logits,)).copy()
    lib.bolt_context_free(c)
    lib.bolt_close(m)
    return z


def main():
    library, path = sys.argv[1:3]
    n_tokens = int(sys.argv[3]) if len(sys.argv) > 3 else 24
    blob = Blob(path)
    tokens = [int(x) for x in np.random.default_rng(1).integers(4, blob.V, n_tokens)]
    failed = False
    for int8 in (False, True):
        model = Model(blob, int8)
        for t, token in enumerate([EOS] + tokens):  # a context has read EOS when it is made
            h = model.step(t, token)
        want = model.logits(h)
        for level in LEVELS:
            got = of_library(library, path, int8, level, tokens, blob.V)
            if got is None:
                continue
            same = want.dtype == f32 and want.tobytes() == got.tobytes()
            failed = failed or not same
            print("int8 " if int8 else "exact", level, "same bits" if same else
                  "DIFFERENT: %d of %d" % (np.sum(want.view("u4") != got.view("u4")), blob.V))
    sys.exit(failed)


if __name__ == "__main__":
    main()
