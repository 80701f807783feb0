/**
 * Tells stories with FlashLM Bolt models: libbolt as WebAssembly.
 *
 *     import { open } from "flashlm-bolt";
 *
 *     const model = await open("model.bolt");
 *     for await (const text of model.tell("Once upon a time", { temperature: 0.7, seed: 4 }))
 *         show(text);
 *
 * The same model, arithmetic, seed and options give the same story on every machine, and the one that the program
 * `sample` tells. Computing takes place where this is called, 8 ms at a time; a page calls it in a worker. What
 * goes wrong is a BoltError.
 */

/** The token that ends a story. */
export const EOS: 3;

export type Code =
    /** an argument is out of its range */
    | "argument"
    /** the file cannot be read or fetched, or bolt.wasm is none, or is older than bolt.js */
    | "file"
    /** not a model, damaged, or of an unknown version */
    | "model"
    | "memory"
    /** a text is too long */
    | "limit"
    /** no WebAssembly with SIMD here */
    | "support";

/** What went wrong, in one sentence. */
export class BoltError extends Error {
    readonly code: Code;
    constructor(code: Code, message: string);
}

/** Whether this machine's WebAssembly has SIMD (Chrome 91, Firefox 89, Safari 16.4, Node 16.4, and later). */
export function supported(): boolean;

export interface OpenOptions {
    /** "int8" (the default) rounds activations to 8 bits and is the fastest; "exact" keeps them floats. */
    math?: "int8" | "exact";
    /** "v128" or "c"; the best if it is not given. */
    cpu?: string;
    /** What error messages call the model; its file's name or address if it is not given. */
    name?: string;
    /** bolt.wasm, or where it is; if it is not given, beside bolt.js. */
    wasm?: string | URL | Response | BufferSource | WebAssembly.Module;
    /** Called as a model that is fetched arrives: bytes so far, and of all where that is known. */
    progress?: (loaded: number, total?: number) => void;
}

/** Opens a model.bolt: its address (in Node a path as well), a file, or its bytes. Rejects with a BoltError, of an option
 * that there is not as well. */
export function open(
    source: string | URL | Blob | Response | ArrayBuffer | ArrayBufferView,
    options?: OpenOptions,
): Promise<Model>;

/** What a model is. */
export interface Info {
    readonly name: string;
    /** of the file */
    readonly bytes: number;
    /** of the file's contents, as `export --info` shows it */
    readonly fingerprint: string;
    readonly vocabFingerprint: string;
    readonly parameters: number;
    /** earlier tokens that the next one can depend on */
    readonly context: number;
    /** number of tokens */
    readonly vocab: number;
    readonly width: number;
    readonly blocks: number;
    readonly hidden: number;
    /** of the convolutions */
    readonly taps: number;
    /** tokens of a training sequence; stories may be longer */
    readonly sequence: number;
    readonly math: "int8" | "exact";
    /** instruction set in use */
    readonly cpu: string;
    /** of the library */
    readonly version: string;
}

export interface TellOptions {
    /** tokens at most after the prompt, default 200; Infinity: until the story ends */
    maxTokens?: number;
    /** The same seed and stream give the same story. Default 42. */
    seed?: number;
    /** Two streams of one seed are unrelated. Default 0. */
    stream?: number;
    /** Logits are divided by it, 0 to 100; 0 always takes the likeliest token. Default 0.8. */
    temperature?: number;
    /** Only the k likeliest tokens; 0: all. Default 50. */
    topK?: number;
    /** Only the likeliest that together reach this probability, 0 to 1. Default 1: all. */
    topP?: number;
    /** None less likely than this times the likeliest, 0 to 1. Default 0. */
    minP?: number;
    /** Above 1 makes the last 64 tokens less likely, 0.1 to 10. Default 1. */
    repeatPenalty?: number;
}

export class Model {
    private constructor();
    readonly info: Info;
    /** Continues a prompt. Throws a BoltError if an option is not known, no number or not a whole one where it must be;
     * others out of their range reject the first piece. What is undefined has its default. Any number of stories may be told at a time. */
    tell(prompt?: string, options?: TellOptions): Story;
    /** The tokens of a text, which is normalised first as for training. */
    encode(text: string): Int32Array;
    /** The text of tokens; invalid bytes become U+FFFD. */
    decode(tokens: Iterable<number>): string;
    /** Frees the memory. Stories still being told fail. */
    close(): void;
}

/** A story under way: pieces of text as they come, each of whole characters. */
export interface Story extends AsyncIterableIterator<string> {
    /** the prompt as the model reads it; the story goes on after it */
    readonly prompt: string;
    /** told so far, the prompt's not counted */
    readonly tokens: number;
    /** of computing so far */
    readonly seconds: number;
    /** why it ended; undefined until it has */
    readonly end: "eos" | "length" | "stopped" | undefined;
    /** Ends the story before its next token. */
    stop(): void;
}
