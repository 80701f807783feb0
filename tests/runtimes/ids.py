"""Token ids of a tokenizer.json in Hugging Face's tokenizers beside libbolt's, on stories and on random text.

    ids.py MODEL.bolt tokenizer.json N [STORIES.gz]...

N random strings of all that is awkward: letters and marks of every script, emoji, control characters, each kind of
white space and line end, digits of other scripts, contractions, long words, names of special tokens. Differences
that export(1) names are counted apart: characters that Unicode got after the tables of tokenizers were made.
"""

import gzip
import random
import sys
import unicodedata

import bolt
from tokenizers import Tokenizer

WHITE = " \t\n\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2007\u2028\u2029\u202f\u205f\u3000\ufeff\u200b"


def pools():
    assigned = [chr(c) for c in range(0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    return [assigned, WHITE, "abcdefghijklmnopqrstuvwxyz", "ABC' don't we'll I'd 'S 'T 're",
            "0123456789\u0660\u0966\u00b2\u2155\uff11", "\u0301\u0300\u0327\u0323\u1100\u1161\u11a8\uac00\u0344",
            "\U0001f600\U0001f468\u200d\U0001f469\U0001f3fd", "\x00\x01\x1b\x7f\x9f\ufffd\ufeff\r\n",
            "Once upon a time, there was a little girl named Lily. ", "<eos><pad>\r\n\r\ufeff"]


def random_texts(n):
    rng = random.Random(1)
    kinds = pools()
    for i in range(n):
        some = kinds if i % 2 else kinds[1:]
        yield "".join(rng.choice(rng.choice(some)) for _ in range(rng.randint(0, 30)))
    yield from ("a" * 10000, "lily" * 5000, " " * 5000 + "x", "\n" * 3000 + "x", "ab\r\n" * 2000)


def stories(path):
    with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="") as f:
        yield from f.read().split("<|endoftext|>")


def has_young_characters(text):
    """Marks that take places beside others, or characters that NFKC replaces, which Unicode 3.2 does not know: the
    tables of tokenizers are younger than that, but older than ours."""
    old = unicodedata.ucd_3_2_0
    return any(old.category(c) == "Cn" and (unicodedata.combining(c) or unicodedata.normalize("NFKC", c) != c) for c in text)


def main():
    model, tokenizer = bolt.Model(sys.argv[1]), Tokenizer.from_file(sys.argv[2])
    tokenizer.encode_special_tokens = True  # names of special tokens in a text are text
    n_vocab = model.info.n_vocab
    failed = False
    for name, texts in [("random", random_texts(int(sys.argv[3]))), *((path, stories(path)) for path in sys.argv[4:])]:
        equal = young = 0
        for text in texts:
            ours = model.encode(text)
            ids = tokenizer.encode(text).ids
            theirs = [i if i < n_vocab else bolt.UNK for i in ids[1:]]
            if ids[0] == bolt.EOS and theirs == ours:
                equal += 1
            elif has_young_characters(text):
                young += 1
            else:
                failed = True
                print(f"{ascii(text)}: {ours} here, {theirs} there")
        print(f"{name}: {equal} equal, {young} differ in characters younger than its tables")
        failed = failed or young > 0.01 * equal
    return failed


if __name__ == "__main__":
    sys.exit(main())
