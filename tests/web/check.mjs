// check.mjs TEST [ARGUMENT]... - one test of the page or of the package, for web.bats. The environment names the finished page
// (PAGE), the tools (WEB_TOOLS) and the browser (CHROMIUM). Fails with what was wrong.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { axe, browser, ended, fileAddress, serve, story, visit } from "./visit.mjs";

const folder = process.env.PAGE;
const PROMPT = "Once upon a time";

// Runs work(page, address) with the page served, then looks at what there was to complain about.
async function served(work, { change, complaints = [], ...options } = {}) {
    const server = await serve(folder, change);
    const chrome = await browser();
    try {
        const page = await visit(chrome, server.address, options);
        await work(page, `${server.address}index.html`);
        assert.deepEqual(page.complaints, complaints);
    } finally {
        await chrome.close();
        server.close();
    }
}

const address = (page, fields) => `${page}?${new URLSearchParams({ prompt: PROMPT, pace: "full", ...fields })}`;

// Drops bytes as a file onto the page, as a person would.
async function drop(page, name, bytes) {
    const data = await page.evaluateHandle(
        ([as, text]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], as));
            return transfer;
        },
        [name, bytes.toString("base64")],
    );
    for (const kind of ["dragover", "drop"]) await page.dispatchEvent("#story", kind, { dataTransfer: data });
}

const ready = (page) => page.waitForFunction(() => !document.getElementById("tell").disabled, undefined, { timeout: 60000 });

const tests = {
    // FILE: a story that `sample` told, by MATH and SEED
    async story(file, math, seed) {
        const want = (await readFile(file, "utf8")).replace(/\n$/, "");
        await served(async (page, home) => {
            await page.goto(address(home, { seed, math, length: 120 }));
            await ready(page);
            await page.click("#tell");
            await ended(page);
            assert.equal(await story(page), want);
        });
    },

    // As it comes, more and more of a long story; at the pace of reading, word by word.
    async streaming() {
        await served(async (page, home) => {
            for (const [pace, length] of [["full", 3000], ["read", 20]]) {
                await page.goto(address(home, { temperature: 0, length, pace }));
                await ready(page);
                await page.evaluate(() => {
                    window.seen = [];
                    new MutationObserver((changes) => {
                        for (const change of changes)
                            for (const node of change.addedNodes)
                                if (change.target.className === "told") window.seen.push(node.textContent);
                    }).observe(document.getElementById("story"), { childList: true, subtree: true });
                });
                await page.evaluate(() => {
                    window.spoken = 0;
                    new MutationObserver(() => window.spoken++).observe(document.getElementById("status"), { childList: true });
                });
                await page.click("#tell");
                await ended(page);
                assert.ok((await page.evaluate(() => window.spoken)) <= 2, "a screen reader would be flooded");
                const seen = await page.evaluate(() => window.seen);
                assert.ok(seen.length > 3, `the story came in ${seen.length} pieces`);
                assert.equal(PROMPT + seen.join(""), await story(page));
                assert.match(await page.textContent("#status"), /^[\d,]+ tokens · .* · [\d,]+ tokens\/s$/);
                if (pace === "read")
                    assert.ok(seen.every((piece) => /^\s*\S+\s*$/.test(piece)), `not word by word: ${JSON.stringify(seen)}`);
            }
        });
    },

    async stop() {
        await served(async (page, home) => {
            for (const [pace, stop] of [["full", () => page.click("#stop")], ["read", () => page.keyboard.press("Escape")]]) {
                await page.goto(address(home, { length: pace === "full" ? 1000000 : 500, temperature: 0, pace }));
                await ready(page);
                await page.click("#tell");
                await page.waitForFunction((n) => document.getElementById("story").textContent.length > n + 10, PROMPT.length);
                await stop();
                await page.waitForFunction(() => /stopped/.test(document.getElementById("status").textContent));
                const told = await story(page);
                await page.waitForTimeout(200);
                assert.equal(await story(page), told);
                assert.equal(await page.isDisabled("#stop"), true);
            }
        });
    },

    // FILE is damaged, and SENTENCE what `sample` says of it
    async damaged(file, sentence) {
        await served(async (page, home) => {
            await page.goto(address(home, { seed: 3, length: 30 }));
            await ready(page);
            await drop(page, path.basename(file), await readFile(file));
            await page.waitForFunction(() => document.getElementById("fault").textContent);
            assert.equal(await page.textContent("#fault"), sentence);
            // the model there was still tells
            await page.click("#tell");
            await ended(page);
            assert.ok((await story(page)).length > PROMPT.length);
        });
    },

    // FILE is another model, whose fingerprint is FINGERPRINT
    async dropped(file, fingerprint) {
        await served(async (page, home) => {
            await page.goto(home);
            await ready(page);
            assert.ok(!(await page.textContent("#facts")).includes(fingerprint));
            await drop(page, "other.bolt", await readFile(file));
            await page.waitForFunction((text) => document.getElementById("facts").textContent.includes(text), fingerprint);
            assert.match(await page.textContent("#about"), /other\.bolt/);
            await page.setInputFiles("#file", path.join(folder, "model.bolt"));
            await page.waitForFunction((text) => !document.getElementById("facts").textContent.includes(text), fingerprint);
        });
    },

    // A model that the address names; one that is not there gets a sentence.
    async named() {
        await served(async (page, home) => {
            await page.goto(address(home, { model: "model.bolt", tell: "" }));
            await ended(page);
            assert.match(await page.textContent("#about"), /named in the address/);
            await page.goto(address(home, { model: "nowhere.bolt" }));
            await page.waitForFunction(() => document.getElementById("fault").textContent);
            assert.match(await page.textContent("#fault"), /^nowhere\.bolt: cannot be fetched \(status 404\)$/);
            assert.equal(await page.isDisabled("#tell"), true);
        });
    },

    // A page that came without a model asks for none, and tells with the one it is given: FILE.
    async bare(bare, file) {
        const server = await serve(bare);
        const chrome = await browser();
        try {
            const page = await visit(chrome, server.address);
            await page.goto(address(`${server.address}index.html`, { length: 20 }));
            await page.waitForFunction(() => /choose one/.test(document.getElementById("status").textContent));
            assert.equal(await page.isDisabled("#tell"), true);
            await page.focus("#prompt");
            await page.keyboard.press("Enter");
            await page.setInputFiles("#file", file);
            await ready(page);
            await page.click("#tell");
            await ended(page);
            assert.ok((await story(page)).length > PROMPT.length);
            assert.deepEqual(page.complaints, []);
        } finally {
            await chrome.close();
            server.close();
        }
    },

    // What is out of range is refused before it is asked for, or by the library's sentence.
    async fields() {
        await served(async (page, home) => {
            await page.goto(address(home, { length: 20 }));
            await ready(page);
            await page.fill("#temperature", "101");
            await page.evaluate(() => (document.getElementById("how").open = false));
            await page.click("#tell");
            assert.equal(await page.evaluate(() => document.activeElement.id), "temperature");
            assert.equal(await page.textContent("#status"), "Ready.");
            await page.fill("#temperature", "0");
            await page.fill("#prompt", "x".repeat(20000));
            await page.click("#tell");
            await ended(page);
            assert.ok(page.url().includes("temperature=0&"), "the address has the fields");
        });
    },

    async keyboard() {
        await served(async (page, home) => {
            await page.goto(address(home, { length: 30 }));
            await ready(page);
            const reached = [];
            for (let i = 0; i < 14; i++) {
                await page.keyboard.press("Tab");
                const [id, outline] = await page.evaluate(() => {
                    const e = document.activeElement;
                    return [e.id || e.tagName.toLowerCase(), getComputedStyle(e).outlineStyle];
                });
                reached.push(id);
                if (id !== "body") assert.notEqual(outline, "none", `${id} does not show its focus`);
            }
            for (const id of ["prompt", "tell", "summary", "temperature", "top-k", "length", "seed", "another", "math", "pace", "file"])
                assert.ok(reached.includes(id), `Tab does not reach ${id}: ${reached}`);
            await page.focus("#prompt");
            await page.keyboard.press("Enter");
            await ended(page);
            assert.equal(await page.getAttribute("#story", "aria-live"), "polite");
            assert.equal(await page.getAttribute("#story", "aria-busy"), "false");
        });
    },

    async accessible() {
        const source = await axe();
        for (const colorScheme of ["light", "dark"])
            for (const width of [360, 1100])
                await served(
                    async (page, home) => {
                        const violations = async (when) => {
                            const { violations: all } = await page.evaluate(() => window.axe.run());
                            const said = all.map((v) => `${when}: ${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`);
                            assert.deepEqual(said, []);
                        };
                        await page.goto(address(home, { length: 40 }));
                        await ready(page);
                        await page.evaluate(source);
                        await page.evaluate(() => (document.getElementById("how").open = true));
                        await violations("before");
                        await page.click("#tell");
                        await ended(page);
                        await violations("after");
                        await drop(page, "no.bolt", Buffer.from("no model"));
                        await page.waitForFunction(() => document.getElementById("fault").textContent);
                        await violations("a fault");
                    },
                    { colorScheme, viewport: { width, height: 800 } },
                );
    },

    // Pictures into FOLDER; nothing is wider than the window.
    async pictures(into) {
        for (const colorScheme of ["light", "dark"])
            for (const width of [360, 1100])
                await served(
                    async (page, home) => {
                        await page.goto(address(home, { seed: 7, tell: "" }));
                        await ended(page);
                        await page.evaluate(() => (document.getElementById("how").open = true));
                        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, `wider than ${width}`);
                        await page.screenshot({ path: path.join(into, `page-${width}-${colorScheme}.png`), fullPage: true });
                    },
                    { colorScheme, viewport: { width, height: 800 } },
                );
    },

    async without_simd() {
        const change = (name, bytes) =>
            name === "/bolt.js" ? Buffer.concat([Buffer.from("WebAssembly.validate = () => false;\n"), bytes]) : bytes;
        await served(
            async (page, home) => {
                await page.goto(home);
                await page.waitForFunction(() => document.getElementById("fault").textContent);
                assert.match(await page.textContent("#fault"), /^WebAssembly has no SIMD here, .*Chrome 91, Firefox 89, Safari 16\.4/);
                assert.equal(await page.isDisabled("#tell"), true);
            },
            { change },
        );
    },

    // story.html from a disk, which asks for nothing at all; and index.html, which leads there. FILE: what `sample` told.
    async alone(file) {
        const want = (await readFile(file, "utf8")).replace(/\n$/, "");
        const chrome = await browser();
        try {
            for (const name of ["story.html", "index.html"]) {
                const home = fileAddress(path.join(folder, name));
                const page = await visit(chrome, fileAddress(folder));
                await page.goto(address(home, { seed: 7, length: 120, tell: "" }));
                await ended(page);
                assert.equal(await story(page), want);
                const asked = page.requests.filter((url) => !/^(data|blob):/.test(url)).map((url) => path.basename(new URL(url).pathname));
                assert.deepEqual(asked, name === "story.html" ? [name] : [name, "page.css", "story.html"]);
                assert.deepEqual(page.complaints, []);
                await page.close();
            }
        } finally {
            await chrome.close();
        }
    },

    // The package in a page: <script type="module"> and bolt.js beside it. FOLDER: the package, unpacked.
    async script(file, unpacked) {
        const want = (await readFile(file, "utf8")).replace(/\n$/, "");
        await writeFile(
            path.join(unpacked, "try.html"),
            `<!doctype html><link rel="icon" href="data:,"><p id="out"></p><script type="module">
            import { open } from "./bolt.js";
            const model = await open("model.bolt");
            const story = model.tell(${JSON.stringify(PROMPT)}, { seed: 7, maxTokens: 120 });
            let text = story.prompt;
            for await (const piece of story) text += piece;
            document.getElementById("out").textContent = text;
            document.title = "told";
            </script>`,
        );
        const server = await serve(unpacked);
        const chrome = await browser();
        try {
            const page = await visit(chrome, server.address);
            await page.goto(`${server.address}try.html`);
            await page.waitForFunction(() => document.title === "told");
            assert.equal(await page.textContent("#out"), want);
            assert.deepEqual(page.complaints, []);
        } finally {
            await chrome.close();
            server.close();
        }
    },
};

const [name, ...rest] = process.argv.slice(2);
await tests[name](...rest);
