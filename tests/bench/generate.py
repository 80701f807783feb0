#!/usr/bin/env python3
"""Telling stories: `sample` beside what one would take instead, in one run.

    pip install torch safetensors onnxruntime onnx gguf llama-cpp-python
    tests/bench/generate.py --checkpoint checkpoints/best.safetensors model.bolt

Peers run in processes of their own and take turns with `sample --bench`: in every round everything
is measured once, one after the other. The table has medians over the rounds, least and most, and
the median ratio of ours to the peer in the same round. A peer whose packages are missing is left
out. With a checkpoint (the one MODEL was exported from) the peers that run the same model also say
how many of 200 greedy tokens of `sample --math exact` they agree with, each after the same tokens.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# script, packages, does it run the checkpoint, numbers of streams with two threads
PEERS = [
    ("torch_generate.py", ("torch", "numpy", "safetensors"), True, (1, 64)),
    ("onnx_generate.py", ("onnxruntime", "onnx", "safetensors"), True, (1, 64)),
    ("llamacpp_generate.py", ("llama_cpp", "gguf"), False, (1, 64)),
]
MATHS = ("int8", "exact")


def fail(text):
    sys.exit(f"generate: {text}")


def missing(python, package):
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec('{package}') is None)"
    return subprocess.run([python, "-c", code], check=False).returncode != 0


class Peer:
    """A script that waits for a line before each measurement."""

    def __init__(self, args, script, threads, streams, expect):
        self.name = f"{script}, {threads} thread{'s' if threads > 1 else ''}"
        command = [args.python, os.path.join(HERE, script), "--paced", "--threads", str(threads)]
        command += ["--rounds", str(args.rounds), "--seconds", str(args.seconds)]
        command += ["--streams", *map(str, streams)]
        if expect:
            command += ["--checkpoint", args.checkpoint, "--expect", expect]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.configs = None

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            fail(f"{self.name} ended early (status {self.process.wait()})")
        return json.loads(line)

    def ready(self):
        """Waits until it could begin; False if it cannot, having said why itself."""
        line = self.process.stdout.readline()
        if not line:
            print(f"{self.name}: left out, it did not start (status {self.process.wait()})")
            return False
        self.configs = json.loads(line)["configs"]
        return True

    def measure(self):
        for _ in self.configs:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            yield self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_sample(args, *options):
    command = [args.sample, "-q", "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        fail(f"'{' '.join(command)}' failed")
    return done.stdout


def measure_ours(args, math):
    model = args.exact if math == "exact" and args.exact else args.model
    # two threads give the figures of one as well
    bench = ["--bench", "-t", "0", "--threads", "2", "--math", math, model]
    report = json.loads(run_sample(args, *bench))
    for threads, streams, tok_s in (
        (1, 1, report["tok_s"]),
        (2, 1, 1e6 / report["us_per_token_split"]),
        (2, 64, report["streams_tok_s"]),
    ):
        mode = f"{math}, {report['embed']} embedding"
        yield {
            "runtime": "sample",
            "mode": mode,
            "math": math,
            "threads": threads,
            "streams": streams,
            "tok_s": tok_s,
        }


def start_peers(args, expect):
    scripts = []
    for script, packages, same_model, streams in PEERS:
        lacking = [p for p in packages if missing(args.python, p)]
        if lacking:
            print(f"{script}: left out, {args.python} has no {', '.join(lacking)}")
            continue
        scripts.append((script, streams, expect if same_model else None))
    peers = [Peer(args, script, 1, (1,), expects) for script, _, expects in scripts]
    able = [peer for peer in peers if peer.ready()]
    for script, streams, expects in scripts:  # one by one: their threads wait for each other busily
        peer = Peer(args, script, 2, streams, expects)
        if peer.ready():
            able.append(peer)
    return able


def measure(args, peers):
    """Returns {configuration: (record, [tokens/s of every round, None if not measured])}."""
    table = {}

    def note(record):
        key = (record["runtime"], record["mode"], record["threads"], record["streams"])
        table.setdefault(key, (record, []))[1].append(record.get("tok_s"))
        if args.json:
            print(json.dumps(record), flush=True)

    for round_ in range(args.rounds):
        for math in MATHS:
            for record in measure_ours(args, math):
                note({**record, "round": round_})
        for peer in peers:
            for record in peer.measure():
                note(record)
        print(f"round {round_ + 1} of {args.rounds} done", file=sys.stderr)
    return table


def spread(values):
    return f"{statistics.median(values):9,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def ratios(table, record, speeds):
    """Median over the rounds of ours to theirs, for both kinds of arithmetic."""
    shape = (record["threads"], record["streams"])
    for math in MATHS:
        for ours, ours_speeds in table.values():
            if ours.get("math") == math and (ours["threads"], ours["streams"]) == shape:
                per_round = [a / b for a, b in zip(ours_speeds, speeds)]
                low, high = min(per_round), max(per_round)
                yield f"{statistics.median(per_round):.1f} ({low:.1f}-{high:.1f})"


def print_table(table):
    head = ("runtime", "mode", "tokens/s (min-max)", "int8 / it", "exact / it")
    line = "{:38} {:20} {:>26} {:>18} {:>18}"
    for threads, streams in ((1, 1), (2, 1), (2, 64)):
        print(f"\nthreads {threads}, streams {streams}")
        print(line.format(*head))
        for record, speeds in table.values():
            if (record["threads"], record["streams"]) != (threads, streams):
                continue
            if "error" in record:
                print(f"{record['runtime']:38} {record['mode']:20} {record['error']}")
                continue
            ratio = ("", "") if "math" in record else ratios(table, record, speeds)
            text = line.format(record["runtime"], record["mode"], spread(speeds), *ratio).rstrip()
            agree = f"  {record['agree']} of {record['of']} agree" if "agree" in record else ""
            print(text + agree)


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model", help="model.bolt, best exported with --embed q8")
    p.add_argument("--exact", help="another blob for --math exact, as of --embed f16")
    p.add_argument("--checkpoint", help="safetensors the model was exported from")
    p.add_argument("--sample", default=os.path.join(ROOT, "build", "sample"))
    p.add_argument("--python", default=sys.executable, help="one that has the packages")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.5, help="of a measurement of a peer")
    p.add_argument(
        "--json", action="store_true", help="every measurement as an object, then the table"
    )
    return p.parse_args()


def main():
    args = parse()
    with tempfile.TemporaryDirectory() as folder:
        expect = None
        if args.checkpoint:
            expect = os.path.join(folder, "drawn.json")
            greedy = ["--math", "exact", "-t", "0", "-n", "200", "-p", "", args.exact or args.model]
            with open(expect, "w") as f:
                f.write(run_sample(args, *greedy))
        peers = start_peers(args, expect)
        table = measure(args, peers)
        for peer in peers:
            peer.close()
    print_table(table)


if __name__ == "__main__":
    main()
