// visit.mjs - a page in headless Chromium, watched: what its console says, which errors it throws and what it asks the
// network for. Used by check.mjs and bench.mjs.
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

// Packages stand in the folder that WEB_TOOLS names, or where web.bats puts them.
const folder = process.env.WEB_TOOLS ?? fileURLToPath(new URL("../../build/web/tools", import.meta.url));
const tools = createRequire(path.join(folder, "package.json"));
const { chromium } = tools("playwright-core");
export const axe = () => readFile(tools.resolve("axe-core/axe.min.js"), "utf8");

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };

// Serves a folder; change(name, bytes) may return other bytes. Resolves to {address, close}.
export async function serve(folder, change = (_, bytes) => bytes) {
    const server = http.createServer(async (request, response) => {
        const name = decodeURIComponent(new URL(request.url, "http://here").pathname);
        try {
            const bytes = change(name, await readFile(path.join(folder, name)));
            response.writeHead(200, {
                "content-type": TYPES[path.extname(name)] ?? "application/octet-stream",
                "content-length": bytes.length,
                "cache-control": "max-age=3600",
            });
            response.end(bytes);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

export const fileAddress = (file) => pathToFileURL(path.resolve(file)).href;

export async function browser() {
    const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: sandbox });
}

// A new page whose complaints gather in .complaints: console errors and warnings, errors, and requests that leave `home`.
export async function visit(chrome, home, options = {}) {
    const page = await chrome.newPage({ viewport: { width: 1100, height: 800 }, ...options });
    page.complaints = [];
    page.requests = [];
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && page.complaints.push(`console: ${m.text()}`));
    page.on("pageerror", (e) => page.complaints.push(`error: ${e.message}`));
    page.context().on("request", (request) => {
        page.requests.push(request.url());
        if (!request.url().startsWith(home) && !/^(data|blob):/.test(request.url()))
            page.complaints.push(`request: ${request.url()}`);
    });
    return page;
}

// Waits until the status says that a story has ended, or fails with what the page says.
export async function ended(page) {
    await page.waitForFunction(
        () => /tokens · .* · /.test(document.getElementById("status").textContent) || document.getElementById("fault").textContent,
        undefined,
        { timeout: 120000 },
    );
    const fault = await page.textContent("#fault");
    if (fault) throw new Error(`the page says: ${fault}`);
}

export const story = (page) => page.textContent("#story");
