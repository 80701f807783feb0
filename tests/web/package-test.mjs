// package-test.mjs MODEL WANT - the package as installed from its file, in Node: what it tells, how it fails. WANT: the story
// that `sample` told.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { BoltError, EOS, open, supported } from "flashlm-bolt";

const [file, want] = process.env.ARGUMENTS.split("\n");
const bytes = readFileSync(file);

async function whole(story) {
    let text = story.prompt;
    for await (const piece of story) text += piece;
    return text;
}

test("the story of sample, from a path, an address, bytes, a Blob and a Response", async () => {
    assert.equal(supported(), true);
    const story = readFileSync(want, "utf8").replace(/\n$/, "");
    for (const source of [file, pathToFileURL(file), bytes, new Blob([bytes]), new Response(bytes), new Uint8Array(bytes).buffer]) {
        const model = await open(source, { name: "m" });
        assert.equal(await whole(model.tell("Once upon a time", { seed: 7, maxTokens: 120 })), story);
        assert.equal(model.info.bytes, bytes.length);
        assert.equal(model.info.name, "m");
        model.close();
    }
});

test("the plain C arithmetic tells the same in both kinds of arithmetic", async () => {
    for (const math of ["int8", "exact"]) {
        const [best, plain] = await Promise.all([open(bytes, { math }), open(bytes, { math, cpu: "c" })]);
        assert.equal(best.info.cpu, "v128");
        assert.equal(plain.info.cpu, "c");
        for (let seed = 0; seed < 10; seed++)
            assert.equal(await whole(best.tell("One day", { seed })), await whole(plain.tell("One day", { seed })));
    }
});

test("stories side by side do not disturb each other", async () => {
    const model = await open(bytes);
    const alone = [];
    for (let stream = 0; stream < 5; stream++) alone.push(await whole(model.tell("", { stream })));
    assert.deepEqual(await Promise.all(alone.map((_, stream) => whole(model.tell("", { stream })))), alone);
    assert.equal(new Set(alone).size, 5);
});

test("a story ends as it says", async () => {
    const model = await open(bytes);
    const short = model.tell("", { maxTokens: 5 });
    await whole(short);
    assert.deepEqual([short.tokens, short.end], [5, "length"]);
    const long = model.tell("", { maxTokens: Infinity, temperature: 0 });
    for await (const _ of long) if (long.tokens === 20) long.stop();
    assert.deepEqual([long.tokens, long.end], [20, "stopped"]);
    assert.ok(long.seconds > 0);
    const left = model.tell("", { maxTokens: Infinity });
    for await (const _ of left) break;
    assert.equal(left.end, "stopped");
    const none = model.tell("Hello", { maxTokens: 0 });
    assert.equal(await whole(none), "Hello");
});

test("a timer runs while stories are told", async () => {
    const model = await open(bytes);
    let ran = false;
    setTimeout(() => (ran = true), 30);
    for (const until = performance.now() + 10000; !ran && performance.now() < until; ) await whole(model.tell());
    assert.equal(ran, true);
});

test("text becomes tokens and text again", async () => {
    const model = await open(bytes);
    const text = "Tim saw a café. 🙂 No!";
    assert.equal(model.decode(model.encode(text)), text);
    assert.deepEqual([...model.encode("")], []);
    assert.equal(model.decode([EOS]), "");
    const long = "a cat ".repeat(5000).trim();
    assert.equal(model.decode(model.encode(long)), long);
    assert.equal(model.decode(model.encode("\u0958".repeat(6000))), "\u0915\u093c".repeat(6000), "a text that grows in NFC");
    assert.throws(() => model.encode("x".repeat(2 ** 26 + 1)), { name: "BoltError", code: "limit" });
    for (const other of [null, undefined, 5]) assert.throws(() => model.encode(other), { name: "BoltError", code: "argument" });
    assert.throws(() => model.decode([model.info.vocab]), { name: "BoltError", code: "argument" });
});

test("what goes wrong is a sentence with a code", async () => {
    const is = (code, message) => (e) => e instanceof BoltError && e.code === code && message.test(e.message);
    const damaged = new Uint8Array(bytes);
    damaged[damaged.length - 1] ^= 1;
    await assert.rejects(open(damaged, { name: "x.bolt" }), is("model", /^x\.bolt: /));
    await assert.rejects(open(new Uint8Array(0)), is("model", /^model in memory: /));
    await assert.rejects(open("/nowhere/model.bolt"), is("file", /^\/nowhere\/model\.bolt: cannot be read: /));
    await assert.rejects(open("http://127.0.0.1:9/m"), is("file", /^http:\/\/127\.0\.0\.1:9\/m: cannot be fetched/));
    await assert.rejects(open(bytes, { math: "f32" }), is("argument", /f32/));
    await assert.rejects(open(bytes, { cpu: "avx2" }), is("argument", /no avx2/));
    await assert.rejects(open(bytes, { Math: "exact" }), is("argument", /^Math: no such option/));
    await assert.rejects(open(bytes, { wasm: bytes }), is("file", /^model in memory: is no WebAssembly/));
    await assert.rejects(open(bytes, { wasm: file }), is("file", /: is no WebAssembly that runs here: /));
    const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0); // a module without functions
    await assert.rejects(open(bytes, { wasm: empty }), is("file", /is not bolt\.wasm/));
    const model = await open(bytes);
    assert.throws(() => model.tell(null), is("argument", /^null is not a text/));
    assert.throws(() => model.tell("", { seed: -1 }), is("argument", /^seed: -1 /));
    assert.throws(() => model.tell("", { maxTokens: 1.5 }), is("argument", /^maxTokens: 1\.5 /));
    assert.throws(() => model.tell("", { temprature: 0 }), is("argument", /^temprature: no such option/));
    for (const value of [null, "", "0.8", [0]])
        assert.throws(() => model.tell("", { temperature: value }), is("argument", /^temperature: .* is not a number/));
    assert.equal(await whole(model.tell("", { temperature: undefined, seed: undefined })), await whole(model.tell()));
    await assert.rejects(whole(model.tell("", { temperature: -1 })), is("argument", /temperature/));
    await assert.rejects(whole(model.tell("", { minP: NaN })), is("argument", /min_p/));
    const story = model.tell("");
    await story.next();
    model.close();
    await assert.rejects(whole(story), is("argument", /closed/));
    assert.throws(() => model.encode("x"), is("argument", /closed/));
});

test("of a model that comes packed the bytes in all are not known", async () => {
    const seen = [];
    const response = (headers) => new Response(bytes, { headers: { "content-length": "99", ...headers } });
    for (const headers of [{}, { "content-encoding": "gzip" }])
        await open(response(headers), { progress: (loaded, total) => seen.push(total) });
    assert.deepEqual([...new Set(seen)], [99, undefined]);
});

test("the module asks for nothing", async () => {
    const wasm = readFileSync(new URL("bolt.wasm", import.meta.resolve("flashlm-bolt")));
    assert.deepEqual(WebAssembly.Module.imports(new WebAssembly.Module(wasm)), []);
});
