// bolt.js - tells stories with FlashLM Bolt models: libbolt as WebAssembly, for pages, workers and Node. What is exported
// is described in bolt.d.ts; structs are laid out as common/bolt/bolt.h has them on a 32-bit machine.

export const EOS = 3; // the token that ends a story

const API_VERSION = 2;
const CODES = { "-1": "argument", "-2": "file", "-3": "model", "-4": "memory", "-5": "limit" };
const MATHS = ["int8", "exact"];
const TEXT_BYTES = 16384; // of the longest prompt, at first
const MOST_TEXT_BYTES = 2 ** 26; // of any text
const MESSAGE_BYTES = 512;
const SLICE_MS = 8; // of computing, before events get their turn
const IN_MEMORY = "model in memory"; // the library's name for what has none

const NO_SIMD = "WebAssembly has no SIMD here, which telling stories needs: Chrome 91, Firefox 89, Safari 16.4, Node 16.4 and later have it";

export class BoltError extends Error {
    constructor(code, message) {
        super(message);
        this.name = "BoltError";
        this.code = code;
    }
}

// A module that only compiles where there are vectors of 128 bits.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];

export function supported() {
    return typeof WebAssembly === "object" && WebAssembly.validate(new Uint8Array(SIMD));
}

// ---- where bytes come from ----------------------------------------------------------------------

const inNode = typeof process === "object" && Boolean(process.versions?.node);

function isPath(source) {
    if (!inNode) return false;
    return source instanceof URL ? source.protocol === "file:" : !/^(https?|data|blob):/.test(source);
}

// A response's bytes, told about as they arrive.
async function arrived(response, progress) {
    if (!progress || !response.body) return new Uint8Array(await response.arrayBuffer());
    const packed = response.headers.get("content-encoding"); // then the length is not that of what arrives here
    const total = (!packed && Number(response.headers.get("content-length"))) || undefined;
    const parts = [];
    let loaded = 0;
    const reader = response.body.getReader();
    for (let part; !(part = await reader.read()).done; ) {
        parts.push(part.value);
        loaded += part.value.length;
        progress(loaded, total);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function fetched(source, name, progress) {
    let response;
    try {
        response = source instanceof Response ? source : await fetch(source);
        if (response.ok) return await arrived(response, progress);
    } catch (e) {
        throw new BoltError("file", `${name}: cannot be fetched: ${e.message}`);
    }
    throw new BoltError("file", `${name}: cannot be fetched (status ${response.status})`);
}

async function bytesOf(source, name, progress) {
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    try {
        if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
        if (!(source instanceof Response) && isPath(source)) {
            const { readFile } = await import("node:fs/promises");
            return await readFile(source);
        }
    } catch (e) {
        throw new BoltError("file", `${name}: cannot be read: ${e.message}`);
    }
    return fetched(source, name, progress);
}

// What messages call a source that has no other name.
function nameOf(source) {
    if (source instanceof Blob || ArrayBuffer.isView(source) || source instanceof ArrayBuffer) return source.name ?? IN_MEMORY;
    return source instanceof Response ? source.url : String(source);
}

let own; // bolt.wasm, compiled once

async function compile(wasm) {
    const name = wasm instanceof URL ? wasm.href : nameOf(wasm);
    const bytes = await bytesOf(wasm, name);
    try {
        return await WebAssembly.compile(bytes);
    } catch (e) {
        throw new BoltError("file", `${name}: is no WebAssembly that runs here: ${e.message}`);
    }
}

async function compiled(wasm) {
    if (wasm instanceof WebAssembly.Module) return wasm;
    if (wasm !== undefined) return compile(wasm);
    own ??= compile(new URL("bolt.wasm", import.meta.url));
    try {
        return await own;
    } catch (e) {
        own = undefined; // the next call tries again
        throw e;
    }
}

// ---- models -------------------------------------------------------------------------------------

// The library in a memory of its own.
async function instance(module) {
    try {
        const { exports } = await WebAssembly.instantiate(module, {});
        exports._initialize();
        if (exports.bolt_api_version() >= API_VERSION) return exports;
    } catch (e) {
        throw new BoltError("file", `the WebAssembly given is not bolt.wasm: ${e.message}`);
    }
    throw new BoltError("file", "bolt.wasm is older than bolt.js: take both from one package");
}

export async function open(source, { math = "int8", cpu, name, wasm, progress, ...others } = {}) {
    if (!supported())
        throw new BoltError("support", NO_SIMD);
    const [other] = Object.keys(others);
    if (other !== undefined) throw new BoltError("argument", `${other}: no such option (there are math, cpu, name, wasm, progress)`);
    const called = name ?? nameOf(source);
    if (!MATHS.includes(math)) throw new BoltError("argument", `math: ${math} is neither int8 nor exact`);
    const [module, bytes] = await Promise.all([compiled(wasm), bytesOf(source, called, progress)]);
    return new Model(await instance(module), bytes, called, math, cpu);
}

let turned = 0; // when events last had their turn

const turn = inNode
    ? () => new Promise((done) => setImmediate(done))
    : () => new Promise((done) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
            port1.close();
            done();
        };
        port2.postMessage(0);
    });

const DEFAULTS = {
    maxTokens: 200,
    seed: 42,
    stream: 0,
    temperature: 0.8,
    topK: 50,
    topP: 1,
    minP: 0,
    repeatPenalty: 1,
};

function whole(name, value, most = Number.MAX_SAFE_INTEGER) {
    if (Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
    throw new BoltError("argument", `${name}: ${value} is not a whole number from 0 to ${most}`);
}

// What was asked for, and the defaults. JavaScript would make 0 of null and "", and pass over a name written wrong.
function choices(options) {
    const all = { ...DEFAULTS };
    for (const [name, value] of Object.entries(options)) {
        if (!(name in DEFAULTS)) throw new BoltError("argument", `${name}: no such option (there are ${Object.keys(DEFAULTS).join(", ")})`);
        if (value === undefined) continue; // as if it were not given
        if (typeof value !== "number") throw new BoltError("argument", `${name}: ${String(value) || '""'} is not a number`);
        all[name] = value;
    }
    return all;
}

export class Model {
    #x; // the module's functions; undefined once closed
    #pointer;
    #info;
    #free = []; // contexts of TEXT_BYTES that nobody uses
    #texts = [];

    constructor(exports, bytes, name, math, cpu) {
        const x = (this.#x = exports);
        const out = this.#take(4);
        const message = this.#take(MESSAGE_BYTES);
        const options = this.#take(12);
        const level = cpu === undefined ? 0 : this.#put(new TextEncoder().encode(`${cpu}\0`));
        const data = this.#put(bytes);
        const view = this.#view();
        [12, MATHS.indexOf(math), level].forEach((value, i) => view.setUint32(options + 4 * i, value, true));
        const code = x.bolt_open_memory(data, bytes.length, options, out, message, MESSAGE_BYTES);
        if (code) throw new BoltError(CODES[code], this.#string(message).replace(IN_MEMORY, () => name));
        this.#pointer = this.#view().getUint32(out, true);
        this.#info = this.#read(name, bytes.length);
    }

    get info() {
        return this.#info;
    }

    // ---- memory of the module, which may move whenever something is taken

    #view() {
        return new DataView(this.#x.memory.buffer);
    }

    #take(n) {
        const at = this.#x.malloc(n);
        if (!at) throw new BoltError("memory", `out of memory for ${n} bytes`);
        return at;
    }

    #put(bytes) {
        const at = this.#take(Math.max(bytes.length, 1));
        new Uint8Array(this.#x.memory.buffer).set(bytes, at);
        return at;
    }

    #string(at) {
        const bytes = new Uint8Array(this.#x.memory.buffer);
        return new TextDecoder().decode(bytes.slice(at, bytes.indexOf(0, at)));
    }

    #read(name, bytes) {
        const at = this.#take(88);
        this.#view().setUint32(at, 88, true);
        this.#x.bolt_info(this.#pointer, at);
        const view = this.#view();
        const u32 = (offset) => view.getUint32(at + offset, true);
        const u64 = (offset) => view.getBigUint64(at + offset, true);
        const hex = (number) => number.toString(16).padStart(16, "0");
        const info = Object.freeze({
            name,
            bytes,
            fingerprint: hex(u64(8)),
            vocabFingerprint: hex(u64(16)),
            parameters: Number(u64(24)),
            context: Number(u64(32)),
            vocab: u32(40),
            width: u32(44),
            blocks: u32(48),
            hidden: u32(52),
            taps: u32(56),
            sequence: u32(60),
            math: MATHS[u32(80)],
            cpu: this.#string(u32(84)),
            version: this.#string(this.#x.bolt_version()),
        });
        this.#x.free(at);
        return info;
    }

    // ---- contexts

    #open() {
        if (!this.#x) throw new BoltError("argument", "the model is closed");
        return this.#x;
    }

    // A context that holds texts of so many bytes, its options and room for ids.
    #context(bytes) {
        const x = this.#open();
        if (bytes <= TEXT_BYTES && this.#free.length) return this.#free.pop();
        const textBytes = Math.max(bytes, TEXT_BYTES);
        const out = this.#take(4);
        const message = this.#take(MESSAGE_BYTES);
        const options = this.#put(new Uint8Array(Uint32Array.of(8, textBytes).buffer));
        const code = x.bolt_context_new(this.#pointer, options, out, message, MESSAGE_BYTES);
        const pointer = this.#view().getUint32(out, true);
        const sentence = code && this.#string(message);
        [out, message, options].forEach((block) => x.free(block));
        if (code) throw new BoltError(CODES[code], sentence);
        return { pointer, textBytes, options: this.#take(24), token: this.#take(4) };
    }

    #give(context) {
        const x = this.#x;
        if (!x) return; // all of it went with the model
        if (context.textBytes === TEXT_BYTES) {
            this.#free.push(context);
            return;
        }
        x.bolt_context_free(context.pointer);
        x.free(context.options);
        x.free(context.token);
    }

    #check(context, code) {
        if (code < 0) throw new BoltError(CODES[code], this.#string(this.#x.bolt_error(context.pointer)));
        return code;
    }

    #step(context, tokens) {
        const ids = this.#put(new Uint8Array(Int32Array.from(tokens).buffer));
        const code = this.#x.bolt_step(context.pointer, ids, tokens.length);
        this.#x.free(ids);
        this.#check(context, code);
    }

    // ---- text

    encode(text) {
        if (typeof text !== "string") throw new BoltError("argument", `${String(text)} is not a text`);
        const bytes = new TextEncoder().encode(text);
        for (let room = Math.max(bytes.length, TEXT_BYTES); ; room = Math.min(2 * room, MOST_TEXT_BYTES)) {
            if (bytes.length > MOST_TEXT_BYTES)
                throw new BoltError("limit", `text too long (found ${bytes.length} bytes, at most ${MOST_TEXT_BYTES})`);
            try {
                return this.#encoded(bytes, room);
            } catch (e) {
                if (e.code !== "limit" || room === MOST_TEXT_BYTES) throw e; // else it grows when it is normalised
            }
        }
    }

    #encoded(bytes, room) {
        const context = this.#context(room);
        try {
            const at = this.#put(bytes);
            for (let capacity = Math.max(bytes.length, 64); ; ) {
                const ids = this.#take(4 * capacity);
                const n = Number(this.#x.bolt_encode(context.pointer, at, bytes.length, ids, capacity));
                const tokens = n < 0 ? [] : Int32Array.from(new Int32Array(this.#x.memory.buffer, ids, Math.min(n, capacity)));
                this.#x.free(ids);
                if (n <= capacity) this.#x.free(at);
                this.#check(context, n);
                if (n <= capacity) return tokens;
                capacity = n;
            }
        } finally {
            this.#give(context);
        }
    }

    // The bytes of a token, not always whole characters.
    #bytes(token) {
        let bytes = this.#texts[token];
        if (!bytes) {
            const x = this.#open();
            if (!Number.isInteger(token) || token < 0 || token >= this.#info.vocab)
                throw new BoltError("argument", `token ${token}: the model has tokens 0 to ${this.#info.vocab - 1}`);
            const length = this.#take(4);
            const at = x.bolt_token_text(this.#pointer, token, length);
            const n = this.#view().getUint32(length, true);
            x.free(length);
            bytes = this.#texts[token] = new Uint8Array(x.memory.buffer).slice(at, at + n);
        }
        return bytes;
    }

    decode(tokens) {
        const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
        let text = "";
        for (const token of tokens) text += decoder.decode(this.#bytes(token), { stream: true });
        return text + decoder.decode();
    }

    // ---- stories

    tell(prompt = "", options = {}) {
        const o = choices(options);
        if (o.maxTokens !== Infinity) whole("maxTokens", o.maxTokens);
        whole("topK", o.topK, 65536);
        o.seed = BigInt(whole("seed", o.seed));
        o.stream = BigInt(whole("stream", o.stream));
        const tokens = this.encode(prompt);
        return new Story(this.decode(tokens), (story) => this.#told(story, tokens, o));
    }

    #begin(context, tokens, o) {
        const view = this.#view();
        view.setUint32(context.options, 24, true);
        view.setFloat32(context.options + 4, o.temperature, true);
        view.setInt32(context.options + 8, o.topK, true);
        view.setFloat32(context.options + 12, o.topP, true);
        view.setFloat32(context.options + 16, o.minP, true);
        view.setFloat32(context.options + 20, o.repeatPenalty, true);
        this.#x.bolt_reset(context.pointer, o.seed, o.stream);
        this.#step(context, tokens);
    }

    #timed(story, work) {
        const began = performance.now();
        const result = work();
        story.seconds += (performance.now() - began) / 1000;
        return result;
    }

    // Draws a token and reads it, unless the story ends with it.
    #next(context, story, o) {
        const x = this.#open();
        const token = this.#check(context, x.bolt_sample(context.pointer, context.options, 0));
        if (token === EOS) story.end = "eos";
        else if (++story.tokens < o.maxTokens) {
            this.#view().setInt32(context.token, token, true);
            this.#check(context, x.bolt_step(context.pointer, context.token, 1));
        }
        return token;
    }

    async *#told(story, tokens, o) {
        const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
        const context = this.#context(0);
        try {
            this.#timed(story, () => this.#begin(context, tokens, o));
            while (!story.end && story.tokens < o.maxTokens) {
                if (performance.now() - turned > SLICE_MS) {
                    await turn();
                    turned = performance.now();
                    continue; // if it has not been stopped
                }
                const token = this.#timed(story, () => this.#next(context, story, o));
                const text = decoder.decode(this.#bytes(token), { stream: true });
                if (text) yield text;
            }
            story.end ??= "length";
            const rest = decoder.decode();
            if (rest) yield rest;
        } finally {
            this.#give(context);
        }
    }

    close() {
        this.#x = undefined; // the module's memory goes when nothing refers to it
        this.#free = [];
    }
}

class Story {
    tokens = 0;
    seconds = 0;
    end;
    #pieces;

    constructor(prompt, told) {
        this.prompt = prompt;
        this.#pieces = told(this);
    }

    [Symbol.asyncIterator]() {
        return this;
    }

    next() {
        return this.#pieces.next();
    }

    return(value) {
        this.end ??= "stopped";
        return this.#pieces.return(value);
    }

    throw(error) {
        return this.#pieces.throw(error);
    }

    stop() {
        this.end ??= "stopped";
    }
}
