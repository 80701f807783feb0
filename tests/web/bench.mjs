// bench.mjs PAGE - how fast the page tells in headless Chromium: tokens/s of 30 stories by the page's own count, the first ten left
// out, in each kind of arithmetic; and milliseconds from opening the page to the first word, the files being in the
// browser's cache. Medians. The packages it needs are those that `make check-web` leaves in build/web/tools.
import { browser, ended, serve, visit } from "./visit.mjs";

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];

async function speed(page, home, math) {
    const rates = [];
    await page.goto(`${home}?pace=full&length=1000&math=${math}`);
    for (let seed = 0; seed < 30; seed++) {
        await page.waitForFunction(() => !document.getElementById("tell").disabled);
        await page.fill("#seed", String(seed));
        await page.evaluate(() => (document.getElementById("status").textContent = ""));
        await page.click("#tell");
        await ended(page);
        rates.push(Number((await page.textContent("#status")).match(/([\d,]+) tokens\/s/)[1].replaceAll(",", "")));
    }
    return median(rates.slice(10));
}

async function firstWord(page, home) {
    const times = [];
    await page.addInitScript(() => {
        new MutationObserver((changes, observer) => {
            if ((document.querySelector(".told")?.childNodes.length ?? 0) < 2) return;
            observer.disconnect();
            window.first = performance.now(); // since the page was opened
        }).observe(document, { childList: true, subtree: true });
    });
    for (let seed = 0; seed < 12; seed++) {
        await page.goto(`${home}?pace=full&seed=${seed}&tell`);
        await ended(page);
        times.push(await page.evaluate(() => window.first));
    }
    return median(times.slice(1));
}

const server = await serve(process.argv[2]);
const chrome = await browser();
const home = `${server.address}index.html`;
const page = await visit(chrome, server.address);
for (const math of ["int8", "exact"]) console.log(`${math}: ${await speed(page, home, math)} tokens/s`);
console.log(`first word: ${(await firstWord(page, home)).toFixed(0)} ms`);
await chrome.close();
server.close();
