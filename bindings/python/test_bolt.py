"""Tests of the package: MODEL=model.bolt SAMPLE=build/sample python3 -m unittest test_bolt

SAMPLE, the program, tells the stories that those told here must equal.
"""

import copy
import inspect
import json
import math
import os
import pickle
import subprocess
import threading
import unittest

import bolt

MODEL = os.environ["MODEL"]
SAMPLE = os.environ["SAMPLE"]


def sample(*options: str) -> dict:
    run = subprocess.run([SAMPLE, "-q", "--json", *options, MODEL], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return json.loads(run.stdout)


class Telling(unittest.TestCase):
    def test_tells_what_sample_tells(self):
        for arithmetic in ("int8", "exact"):
            model = bolt.Model(MODEL, math=arithmetic)
            for prompt in ("Once upon a time", "", "  Tom\n"):
                for seed in (1, 42, 10**15):
                    want = sample("--math", arithmetic, "--seed", str(seed), "-p", prompt)
                    got = "".join(model.tell(prompt, seed=seed))
                    self.assertEqual(model.decode(model.encode(prompt)) + got, want["text"])

    def test_options_are_those_of_sample(self):
        model = bolt.Model(MODEL)
        want = sample("-t", "0.5", "-k", "7", "--top-p", "0.9", "--min-p", "0.01", "--repeat-penalty", "1.2", "-n", "31", "-p", "Tom")
        got = "".join(model.tell("Tom", temperature=0.5, top_k=7, top_p=0.9, min_p=0.01, repeat_penalty=1.2, max_tokens=31))
        self.assertEqual("Tom" + got, want["text"])

    def test_streams_are_those_of_count(self):
        model = bolt.Model(MODEL)
        run = subprocess.run([SAMPLE, "-q", "--json", "--count", "3", "-p", "Tom", MODEL], stdin=subprocess.DEVNULL,
                             capture_output=True, check=True)
        want = [json.loads(line)["text"] for line in run.stdout.splitlines()]
        self.assertEqual(["Tom" + "".join(model.tell("Tom", stream=n)) for n in range(3)], want)

    def test_pieces_are_whole_characters(self):
        model = bolt.Model(MODEL)
        # at this temperature bytes that are parts of characters come up
        pieces = list(model.tell("", temperature=100, top_k=0, max_tokens=2000, seed=3))
        self.assertTrue(all(pieces))
        self.assertEqual("".join(pieces).encode().decode(), "".join(pieces))

    def test_max_tokens(self):
        model = bolt.Model(MODEL)
        self.assertEqual(list(model.tell("Tom", max_tokens=0)), [])
        ten = "".join(model.tell("Tom", max_tokens=10, temperature=0))
        self.assertTrue("".join(model.tell("Tom", max_tokens=20, temperature=0)).startswith(ten))

    def test_many_stories_at_once_do_not_meet(self):
        model = bolt.Model(MODEL)
        alone = ["".join(model.tell("Tom", seed=n)) for n in range(8)]
        mixed = [""] * 8
        running = [(n, model.tell("Tom", seed=n)) for n in range(8)]
        while running:
            for n, story in list(running):
                piece = next(story, None)
                if piece is None:
                    running.remove((n, story))
                else:
                    mixed[n] += piece
        self.assertEqual(mixed, alone)

        def tell(n):
            threaded[n] = "".join(model.tell("Tom", seed=n))

        threaded = [""] * 8
        threads = [threading.Thread(target=tell, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(threaded, alone)

    def test_a_batch_tells_what_each_tells_alone(self):
        model = bolt.Model(MODEL)
        prompts = ["Tom", "Once upon a time", "", "Lily and Ben", "Tom"] * 5
        for options in ({}, {"temperature": 100, "top_k": 0, "max_tokens": 60}, {"max_tokens": 0}, {"max_tokens": 1}):
            stories = [""] * len(prompts)
            for i, text in model.tell_many(prompts, seed=7, **options):
                stories[i] += text
            alone = ["".join(model.tell(p, seed=7, stream=i, **options)) for i, p in enumerate(prompts)]
            self.assertEqual(stories, alone)
        self.assertEqual(list(model.tell_many([])), [])

    def test_a_story_outlives_its_variable(self):
        story = bolt.Model(MODEL).tell("Tom", seed=1)
        next(story)
        self.assertEqual("".join(bolt.Model(MODEL).tell("Tom", seed=1))[-5:], "".join(story)[-5:])


class Reading(unittest.TestCase):
    def setUp(self):
        self.model = bolt.Model(MODEL)

    def test_text_and_back(self):
        for text in ("One day, Tom saw a dog.", "Caf\u00e9 \U0001f600", ""):
            self.assertEqual(self.model.decode(self.model.encode(text)), text)

    def test_half_a_surrogate_pair_is_no_character(self):
        self.assertEqual(self.model.decode(self.model.encode("Tom\ud800 saw \ud83d\ude00")), "Tom\ufffd saw \U0001f600")

    def test_a_long_text(self):
        text = "Tom saw a dog. " * 5000
        self.assertEqual(self.model.decode(self.model.encode(text)), text.strip())

    def test_a_text_that_grows_when_it_is_normalised(self):
        self.assertEqual(self.model.decode(self.model.encode("\u0958" * 6000)), "\u0915\u093c" * 6000)

    def test_score_is_the_sum_of_the_logits_story(self):
        tokens = self.model.encode("One day, Tom saw a dog.") + [bolt.EOS]
        score = self.model.score("One day, Tom saw a dog.")
        self.assertEqual(score.n_tokens, len(tokens))
        nats = 0.0
        for n, token in enumerate(tokens):
            logits = [float(x) for x in self.model.logits(tokens[:n])]
            highest = max(logits)
            nats += math.log(sum(math.exp(x - highest) for x in logits)) + highest - logits[token]
        self.assertAlmostEqual(score.nats, nats, delta=1e-4 * nats)
        self.assertAlmostEqual(score.loss, nats / len(tokens), delta=1e-4 * nats)

    def test_tokens_are_any_sequence(self):
        class Sequence:  # without a truth value, as arrays of numpy are
            def __init__(self, tokens):
                self.tokens = tokens

            def __len__(self):
                return len(self.tokens)

            def __getitem__(self, i):
                return self.tokens[i]

            def __bool__(self):
                raise ValueError("ambiguous")

        tokens = self.model.encode("One day, Tom saw a dog.")
        for taken in (tuple(tokens), Sequence(tokens)):
            self.assertEqual(self.model.score(taken), self.model.score(tokens))
            self.assertEqual(list(self.model.logits(taken)), list(self.model.logits(tokens)))
            self.assertEqual(self.model.decode(taken), self.model.decode(tokens))

    def test_bytes_in_place_of_a_file(self):
        with open(MODEL, "rb") as f:
            model = bolt.Model(f.read())
        self.assertEqual("".join(model.tell("Tom")), "".join(self.model.tell("Tom")))
        self.assertEqual(model.info, self.model.info)

    def test_info(self):
        info = self.model.info
        self.assertEqual(info.n_vocab, len(self.model.logits("Tom")))
        self.assertEqual(info.math, "int8")
        self.assertIn(f"{info.n_vocab:,} tokens", repr(self.model))
        self.assertEqual(bolt.version(), bolt.__version__)


class Errors(unittest.TestCase):
    def test_they_say_what_was_wrong(self):
        model = bolt.Model(MODEL)
        with open(MODEL, "rb") as f:
            cut = f.read(1000)
        for call, kind, words in (
            (lambda: bolt.Model("none.bolt"), FileNotFoundError, "none.bolt"),
            (lambda: bolt.Model("none.bolt"), bolt.FileError, "none.bolt: cannot open"),
            (lambda: bolt.Model(__file__), bolt.ModelError, "not a model"),
            (lambda: bolt.Model(cut), bolt.ModelError, "wrong size"),
            (lambda: bolt.Model(b""), bolt.ModelError, ""),
            (lambda: bolt.Model(MODEL, cpu="abacus"), bolt.ArgumentError, "abacus"),
            (lambda: bolt.Model(MODEL, math="int7"), bolt.ArgumentError, "int7"),
            (lambda: list(model.tell(temperature=-1)), bolt.ArgumentError, "temperature"),
            (lambda: model.token_bytes(10**6), bolt.ArgumentError, "1000000"),
            (lambda: model.token_bytes(-1), bolt.ArgumentError, "-1"),
            (lambda: model.logits([10**6]), bolt.ArgumentError, "1000000"),
            (lambda: model.score([]), bolt.ArgumentError, "no tokens"),
            # what ctypes would wrap to a number that is in range
            (lambda: model.logits([2**32 + 5]), bolt.ArgumentError, str(2**32 + 5)),
            (lambda: model.score([5, 2**32 + 5]), bolt.ArgumentError, "token 1"),
            (lambda: model.tell(seed=-1), bolt.ArgumentError, "seed"),
            (lambda: model.tell(seed=2**64), bolt.ArgumentError, "seed"),
            (lambda: model.tell(stream=2**64), bolt.ArgumentError, "stream"),
            (lambda: model.tell(top_k=2**32 + 1), bolt.ArgumentError, "top_k"),
            (lambda: model.tell(max_tokens=-1), bolt.ArgumentError, "max_tokens"),
            (lambda: model.tell_many(["Tom"], max_tokens=-1), bolt.ArgumentError, "max_tokens"),
            (lambda: model.tell_many(["Tom"], max_tokens=2.5), bolt.ArgumentError, "max_tokens"),
            (lambda: model.tell_many(["Tom"], seed=2**64), bolt.ArgumentError, "seed"),
            (lambda: model.tell_many("Tom"), bolt.ArgumentError, "prompts"),
        ):
            with self.assertRaises(kind) as caught:
                call()
            self.assertIsInstance(caught.exception, bolt.Error)
            self.assertIn(words, str(caught.exception))

    def test_a_model_is_not_copied(self):
        model = bolt.Model(MODEL)
        for call in (copy.copy, copy.deepcopy, pickle.dumps):
            with self.assertRaisesRegex(TypeError, "neither be copied nor pickled"):
                call(model)

    def test_a_model_goes_on_after_an_error(self):
        model = bolt.Model(MODEL)
        with self.assertRaises(bolt.Error):
            list(model.tell("Tom", temperature=-1))
        self.assertTrue("".join(model.tell("Tom")))
        with self.assertRaisesRegex(bolt.ArgumentError, "text too long"):
            model.encode("x" * (2**26 + 1))
        self.assertEqual(len(model.logits([5])), model.info.n_vocab)
        self.assertEqual("".join(model.tell("")), "".join(bolt.Model(MODEL).tell("")))


class Text(unittest.TestCase):
    def test_everything_public_is_described(self):
        for name in bolt.__all__:
            thing = getattr(bolt, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                self.assertTrue(thing.__doc__, name)
        for name, member in vars(bolt.Model).items():
            if not name.startswith("_"):
                self.assertTrue(inspect.getdoc(member), name)
                if inspect.isfunction(member):
                    signature = inspect.signature(member)
                    self.assertIsNot(signature.return_annotation, inspect.Signature.empty, name)


if __name__ == "__main__":
    unittest.main()
