// unicode-test.mjs lines > FILE: every code point of planes 0 to 3 and 14, 500 a line, as prompts for `sample`.
// unicode-test.mjs MODEL PACKAGE FILE < what `sample --json` says of them: the package must have read the same from FILE.
import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";

const LINE = 500;

function* lines() {
    let line = "";
    let n = 0;
    for (const [first, end] of [[0x21, 0x85], [0x86, 0x2028], [0x202a, 0xd800], [0xe000, 0x40000], [0xe0000, 0xe0200]])
        for (let code = first; code < end; code++) {
            line += String.fromCodePoint(code);
            if (++n % LINE) continue;
            yield line;
            line = "";
        }
    yield line;
}

if (process.argv[2] === "lines") {
    for (const line of lines()) writeSync(1, `${line}\n`);
} else {
    const [model, bolt, file] = process.argv.slice(2);
    const { open } = await import(pathToFileURL(bolt));
    const opened = await open(model);
    const asked = readFileSync(file, "utf8").split("\n").slice(0, -1);
    const said = readFileSync(0, "utf8").trim().split("\n").map((line) => JSON.parse(line)).filter((x) => "prompt" in x);
    assert.equal(said.length, asked.length);
    assert.ok(asked.length > 500);
    asked.forEach((line, i) => {
        const tokens = opened.encode(line);
        const first = line.codePointAt(0).toString(16);
        assert.equal(opened.decode(tokens), said[i].prompt, `another text from U+${first} on`);
        assert.equal(tokens.length, said[i].n_prompt_tokens, `other tokens from U+${first} on`);
    });
}
