// wasi.mjs MODULE [ARGUMENT]... - runs a program of wasi-libc that computes and prints, and exits as it does. (Node's own
// node:wasi crashes now and then when it is left.)
import { readFileSync, writeSync } from "node:fs";

const args = process.argv.slice(2).map((text) => Buffer.from(`${text}\0`));
let memory;
const view = () => new DataView(memory.buffer);

class Exit extends Error {}

const calls = {
    args_sizes_get(count, bytes) {
        view().setUint32(count, args.length, true);
        view().setUint32(bytes, Buffer.concat(args).length, true);
        return 0;
    },
    args_get(pointers, at) {
        for (const [i, text] of args.entries()) {
            view().setUint32(pointers + 4 * i, at, true);
            new Uint8Array(memory.buffer).set(text, at);
            at += text.length;
        }
        return 0;
    },
    fd_write(fd, parts, n, written) {
        let bytes = 0;
        for (let i = 0; i < n; i++) {
            const [at, size] = [0, 4].map((offset) => view().getUint32(parts + 8 * i + offset, true));
            bytes += writeSync(fd, new Uint8Array(memory.buffer, at, size));
        }
        view().setUint32(written, bytes, true);
        return 0;
    },
    proc_exit(status) {
        process.exitCode = status;
        throw new Exit();
    },
};
const BAD_FD = 8;
const imports = new Proxy(calls, { get: (own, name) => own[name] ?? (() => BAD_FD) });

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), { wasi_snapshot_preview1: imports });
memory = instance.exports.memory;
try {
    instance.exports._start();
} catch (e) {
    if (!(e instanceof Exit)) throw e;
}
