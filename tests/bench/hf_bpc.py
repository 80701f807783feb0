#!/usr/bin/env python3
"""Bits per character of any causal language model that transformers opens from a local folder.

    hf_bpc.py [--threads N] [--batch N] [--stories N] [--json] MODEL_DIR FILE...

The figures are those of `eval`, so that a model of another family stands beside ours: every token of
every story counts; the model reads its end-of-text token before a story's first token and has to
predict the first token, every further one and the end-of-text token after the last; the bits of all
of them, by the number of characters (code points) of the text. Text is NFC, invalid UTF-8 U+FFFD, line
ends LF; byte-order marks that begin a line and white space at both ends of a story are dropped, and
empty stories are passed over. What is spelt as a special token is text. FILE is plain text or .gz with
<|endoftext|> after each story.

A story longer than the model's context is read in windows that overlap by half: each token is
predicted once, with at least half a context before it.

Nothing is downloaded. For TinyStories-1M, say, take its repository and GPT-Neo's tokenizer files into one
folder, and name that. `--self-test` makes a small random GPT-Neo and compares with figures computed
one prediction at a time.
"""

import argparse
import gzip
import json
import math
import os
import re
import sys
import tempfile
import unicodedata

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

MARK = "<|endoftext|>"
# Unicode's White_Space, which str.strip() alone does not follow.
WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def stories(path):
    """The normalised stories of a file."""
    opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")
    with opened as f:
        text = f.read().decode("utf-8", "replace")
    for story in text.replace("\r\n", "\n").replace("\r", "\n").split(MARK):
        story = re.sub("^\ufeff+", "", unicodedata.normalize("NFC", story), flags=re.MULTILINE)
        story = story.lstrip(WHITE + "\ufeff").rstrip(WHITE)
        if story:
            yield story


def end_of_text(tokenizer):
    for token in (tokenizer.eos_token_id, tokenizer.bos_token_id):
        if token is not None:
            return token
    raise SystemExit("hf_bpc: the tokenizer has neither an end-of-text nor a begin-of-text token")


def context_of(model):
    for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_len"):
        n = getattr(model.config, name, None)
        if isinstance(n, int) and n > 1:
            return n
    return 1 << 30


def windows(ids, context):
    """(first, last, scored) of each window: ids[first:last] are read, predictions from ids[scored] on."""
    first, scored = 0, 1
    while True:
        last = min(first + context + 1, len(ids))
        yield first, last, scored
        if last == len(ids):
            return
        scored = last
        first = last - context // 2 - 1


def score(model, batch, end):
    """Sum of -ln p in nats over a batch of (ids, scored): predictions of ids[scored:]."""
    import torch

    longest = max(len(ids) for ids, _ in batch) - 1
    inputs = torch.full((len(batch), longest), end)
    mask = torch.zeros_like(inputs)
    for row, (ids, _) in enumerate(batch):
        inputs[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        mask[row, : len(ids) - 1] = 1
    with torch.inference_mode():
        logits = model(input_ids=inputs, attention_mask=mask).logits.float()
    nats = 0.0
    for row, (ids, scored) in enumerate(batch):
        log_p = torch.log_softmax(logits[row, scored - 1 : len(ids) - 1], -1)
        target = torch.tensor(ids[scored:])
        nats -= log_p.gather(1, target[:, None]).double().sum().item()
    return nats


def evaluate(model, tokenizer, texts, batch_size=8, progress=None):
    """The figures of `eval --json` over an iterable of normalised stories."""
    end, context = end_of_text(tokenizer), context_of(model)
    nats, n_tokens, n_chars, n_bytes, n_stories = 0.0, 0, 0, 0, 0
    waiting = []
    for text in texts:
        ids = [end] + tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] + [end]
        waiting += [(ids[first:last], scored - first) for first, last, scored in windows(ids, context)]
        n_tokens += len(ids) - 1
        n_chars += len(text)
        n_bytes += len(text.encode())
        n_stories += 1
        while len(waiting) >= batch_size:
            nats += score(model, waiting[:batch_size], end)
            del waiting[:batch_size]
            if progress:
                progress(n_stories)
    if waiting:
        nats += score(model, waiting, end)
    if not n_stories:
        raise SystemExit("hf_bpc: no stories")
    bits = nats / math.log(2)
    return {
        "loss": nats / n_tokens,
        "ppl": math.exp(nats / n_tokens),
        "bpc": bits / n_chars,
        "bpb": bits / n_bytes,
        "n_tokens": n_tokens,
        "n_chars": n_chars,
        "n_bytes": n_bytes,
        "n_stories": n_stories,
    }


def open_model(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    return model.float().eval(), tokenizer


def self_test():
    """A random GPT-Neo of 24 positions over bytes, saved and opened again, against one prediction at a time."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPTNeoConfig, GPTNeoForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: n for n, letter in enumerate(letters)} | {MARK: 256}
    byte_level = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    byte_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    byte_level.decoder = decoders.ByteLevel()
    torch.manual_seed(1)
    config = GPTNeoConfig(vocab_size=257, max_position_embeddings=24, hidden_size=16, num_layers=2,
                          attention_types=[[["global", "local"], 1]], num_heads=2, window_size=8,
                          bos_token_id=256, eos_token_id=256)
    # A model fresh from its constructor predicts every token alike, which any mistake would survive.
    random = GPTNeoForCausalLM(config).eval()
    for weight in random.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    with tempfile.TemporaryDirectory() as folder:
        random.save_pretrained(folder)
        PreTrainedTokenizerFast(tokenizer_object=byte_level, eos_token=MARK, bos_token=MARK,
                                pad_token="<pad>").save_pretrained(folder)
        path = os.path.join(folder, "text.txt")
        with open(path, "wb") as f:
            f.write("\ufeff\u3000One day. \r\n\ufeffLily <pad>\r".encode() + MARK.encode() + b" \n " + MARK.encode()
                    + "Cafe\u0301, a dog that ran and ran over the hill.".encode() + MARK.encode() + b"\xff!")
        model, tokenizer = open_model(folder)
        texts = list(stories(path))
        got = evaluate(model, tokenizer, texts, batch_size=3)
    assert texts == ["One day. \nLily <pad>", "Caf\u00e9, a dog that ran and ran over the hill.", "\ufffd!"], texts

    order = {letter: n for n, letter in enumerate(letters)}
    # The byte-level alphabet: printable bytes stand for themselves, the others for letters from U+0100 on.
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    alphabet = {b: chr(b) for b in plain}
    alphabet |= {b: chr(256 + n) for n, b in enumerate(b for b in range(256) if b not in plain)}
    nats, predictions = 0.0, 0
    for text in texts:
        ids = [256] + [order[alphabet[b]] for b in text.encode()] + [256]
        start = 0
        for n in range(1, len(ids)):
            if n - start > 24:  # the window is full: the next begins half a context back
                start = n - 12 - 1
            with torch.inference_mode():
                logits = random(input_ids=torch.tensor([ids[start:n]])).logits[0, -1].double()
            nats += (torch.logsumexp(logits, 0) - logits[ids[n]]).item()
            predictions += 1
    characters = sum(map(len, texts))
    want = nats / math.log(2) / characters
    assert got["n_tokens"] == predictions and got["n_chars"] == characters and got["n_stories"] == 3, got
    assert abs(got["bpc"] - want) < 1e-5 * want, (got["bpc"], want)
    assert abs(got["loss"] - nats / predictions) < 1e-5 * want, (got, nats / predictions)
    print(f"{got['bpc']:.6f} bits per character, {want:.6f} one prediction at a time: equal")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", metavar="MODEL_DIR")
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--threads", type=int, help="threads of PyTorch")
    parser.add_argument("--batch", type=int, default=8, help="windows a batch (default 8)")
    parser.add_argument("--stories", type=int, help="only the first N stories of each file")
    parser.add_argument("--json", action="store_true", help="one JSON object a file")
    parser.add_argument("--self-test", action="store_true", help="check the arithmetic on a model made here")
    args = parser.parse_args()
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    if args.self_test:
        return self_test()
    if not args.model or not args.files:
        parser.error("a folder of a model and at least one file are needed")
    model, tokenizer = open_model(args.model)
    for path in args.files:
        def progress(n):
            if sys.stderr.isatty():
                print(f"\r{n} stories", end="", file=sys.stderr, flush=True)

        texts = (text for n, text in enumerate(stories(path)) if args.stories is None or n < args.stories)
        figures = evaluate(model, tokenizer, texts, args.batch, progress)
        if sys.stderr.isatty():
            print("\r", end="", file=sys.stderr)
        if args.json:
            print(json.dumps({"file": path, **figures}))
        else:
            print(f"{path}: loss {figures['loss']:.4f} nats a token, perplexity {figures['ppl']:.2f}, "
                  f"{figures['bpc']:.4f} bits per character, {figures['bpb']:.4f} per byte; "
                  f"{figures['n_stories']} stories, {figures['n_tokens']} predictions")


if __name__ == "__main__":
    main()
