"""A folder of `export --format hf` in transformers, beside figures and texts of our own programs.

    hf.py golden FOLDER WEIGHTS GOLDEN    logits of a golden file, WEIGHTS being it as exported: at once, token by token, padded
    hf.py tell FOLDER                     reads pairs of prompt and story, as JSON, that greedy decoding must give
    hf.py score FOLDER STORIES BPB        bits per byte of stories, each in a line of JSON, as eval counts them
    hf.py harness FOLDER STORIES          the same in lm-evaluation-harness, without the tokens that end stories

FOLDER is what transformers saves too: it is opened, saved and opened again.
"""

import json
import math
import os
import shutil
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

EOS, UNK = 3, 1
torch.set_num_threads(1)


def open_model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True).float().eval()


def open_tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=True)


def cache_name(output):
    return "cache" if "cache" in type(output).__dataclass_fields__ else "past_key_values"


def cache_of(output):
    return getattr(output, cache_name(output))


@torch.inference_mode()
def golden(folder, weights, path):
    from safetensors import safe_open

    with safe_open(path, "pt") as f:
        meta, tokens, wanted = f.metadata(), f.get_tensor("input.tokens").long(), f.get_tensor("output.logits")
    with tempfile.TemporaryDirectory() as other:
        shutil.copytree(folder, other, dirs_exist_ok=True)
        shutil.copy(weights, os.path.join(other, "model.safetensors"))
        with open(os.path.join(folder, "config.json")) as f:
            config = json.load(f)
        for name, key in (("vocab_size", "vocab_size"), ("hidden_size", "dim"), ("num_hidden_layers", "n_blocks"),
                          ("intermediate_size", "glu_hidden"), ("conv_kernel", "kernel_size")):
            config[name] = int(meta[key])
        config["conv_dilation"] = [int(d) for d in meta["dilation"].split(",")]
        config["mixers"] = meta["mixers"].split(",") if "mixers" in meta else ["conv"] * config["num_hidden_layers"]
        config.update({key: int(meta.get(key, 0)) for key in ("heads", "key_width", "window")})
        config["embed_norm"] = meta.get("embed_norm") == "1"
        with open(os.path.join(other, "config.json"), "w") as f:
            json.dump(config, f)
        model = open_model(other)

    worst = {"whole": (model(tokens).logits - wanted).abs().max().item()}
    cache, steps = None, []
    for t in range(tokens.shape[1]):
        output = model(tokens[:, t : t + 1], past_key_values=cache, use_cache=True)
        cache = cache_of(output)
        steps.append(output.logits)
    worst["steps"] = (torch.cat(steps, 1) - wanted).abs().max().item()
    pad = torch.zeros(len(tokens), 5, dtype=torch.long)
    mask = torch.cat([pad, torch.ones_like(tokens)], 1)
    padded = model(torch.cat([pad, tokens], 1), attention_mask=mask).logits[:, 5:]
    worst["padded"] = (padded - wanted).abs().max().item()
    beyond = tokens.clone()
    beyond[:, 0] = model.config.vocab_size + 7
    unknown = tokens.clone()
    unknown[:, 0] = UNK
    same = torch.equal(model(beyond).logits, model(unknown).logits)
    print(f"transformers {transformers.__version__}, {os.path.basename(path)}:", *(f"{k} {v:.2g}" for k, v in worst.items()))
    # Of logits below 8: floats from there on stand twice as far apart.
    bar = 3e-6 * max(1, 2 ** math.floor(math.log2(wanted.abs().max().item())) / 4)
    return max(worst.values()) > bar or not same


@torch.inference_mode()
def tell(folder):
    pairs = json.load(sys.stdin)
    failed = False

    def expect(what, found, wanted):
        nonlocal failed
        if found != wanted:
            failed = True
            print(f"{what}: {found!r}, expected {wanted!r}")

    with tempfile.TemporaryDirectory() as saved:
        open_model(folder).save_pretrained(saved)
        open_tokenizer(folder).save_pretrained(saved)
        for place in (folder, saved):
            model, tokenizer = open_model(place), open_tokenizer(place)
            write = pipeline("text-generation", model=model, tokenizer=tokenizer)
            for prompt, story, n in pairs:
                got = write(prompt, do_sample=False, max_new_tokens=n)[0]["generated_text"]
                expect("pipeline", got, story)
            prompts = [p for p, _, _ in pairs]
            batch = tokenizer(prompts, return_tensors="pt", padding=True)
            expect("a batch begins with padding", bool((batch.input_ids == 0).any()), True)
            out = model.generate(**batch, do_sample=False, max_new_tokens=pairs[0][2])
            expect("a batch", tokenizer.batch_decode(out, skip_special_tokens=True), [s for _, s, _ in pairs])
            beams = [model.generate(**batch, do_sample=False, num_beams=4, max_new_tokens=30, use_cache=c) for c in (True, False)]
            expect("beams with a cache", beams[0].tolist(), beams[1].tolist())
            greedy = model.generate(**batch, do_sample=False, max_new_tokens=30)
            expect("beams are not greedy", beams[0].tolist() == greedy.tolist(), False)
            ask = {"do_sample": False, "max_new_tokens": 5, "return_dict_in_generate": True, "output_logits": True}
            turn = model.generate(batch.input_ids[-1:], **ask)
            text = torch.cat([turn.sequences, batch.input_ids[-1:, 1:]], 1)
            cache, seen, mask = cache_of(turn), turn.sequences.shape[1] - 1, torch.ones_like(text)
            turns = [model.generate(ids, attention_mask=mask, **ask, **more).logits[-1] for ids, more in (
                (text, {}), (text, {cache_name(turn): cache}), (text[:, seen:], {cache_name(turn): cache}))]
            expect("a text that goes on after a cache", torch.allclose(turns[0], turns[1], atol=1e-5), True)
            expect("what is new after a cache", torch.allclose(turns[0], turns[2], atol=1e-5), True)
            torch.manual_seed(1)
            drawn = model.generate(max_new_tokens=50)[0]
            expect("an empty prompt begins with EOS", drawn[0].item(), EOS)
    return failed


def stories(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


@torch.inference_mode()
def bits(model, tokenizer, texts, with_end):
    nats = 0.0
    for text in texts:
        ids = torch.tensor([tokenizer(text).input_ids + [EOS]])
        assert ids[0, 0] == EOS
        log_p = torch.log_softmax(model(ids[:, :-1]).logits.double(), -1)
        each = log_p[0].gather(1, ids[0, 1:, None])[:, 0]
        nats -= each.sum().item() if with_end else each[:-1].sum().item()
    return nats / math.log(2) / sum(len(t.encode()) for t in texts)


def score(folder, path, wanted):
    found = bits(open_model(folder), open_tokenizer(folder), stories(path), True)
    print(f"{found:.7f} bits per byte, eval {float(wanted):.7f}")
    return abs(found - float(wanted)) > 1e-6 * found


def harness(folder, path):
    import datasets
    from lm_eval import evaluator
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.models.huggingface import HFLM

    texts = stories(path)
    task = ConfigurableTask(config={
        "task": "stories", "test_split": "test", "output_type": "loglikelihood_rolling", "doc_to_text": "",
        "custom_dataset": lambda **_: {"test": datasets.Dataset.from_dict({"text": texts})},
        "doc_to_target": "{{text}}", "metric_list": [{"metric": "bits_per_byte"}]})
    lm = HFLM(pretrained=folder, trust_remote_code=True, add_bos_token=False, device="cpu", batch_size=4)
    result = evaluator.evaluate(lm, {"stories": task}, bootstrap_iters=0)["results"]["stories"]
    found = result["bits_per_byte,none"]
    wanted = bits(open_model(folder), open_tokenizer(folder), texts, False)
    print(f"{found:.7f} bits per byte in the harness, {wanted:.7f} expected")
    return abs(found - wanted) > 1e-6 * wanted


if __name__ == "__main__":
    what = {"golden": golden, "tell": tell, "score": score, "harness": harness}[sys.argv[1]]
    sys.exit(what(*sys.argv[2:]))
