// page.js - the page: what a visitor asks for goes to worker.js, what it tells is shown. The address may name what stands in
// the fields (prompt, temperature, top-k, length, seed, math, pace), the model (model=ADDRESS), and `tell`, to begin at once.

const WORDS_A_SECOND = 16; // at the pace of reading
const ENDS = { eos: "the end", length: "length reached", stopped: "stopped" };
const FIELDS = ["prompt", "temperature", "top-k", "length", "seed", "math", "pace"];
const TOO_OLD = "This browser cannot run the page's program: Chrome 91, Firefox 114, Safari 16.4 and later can.";

const at = (id) => document.getElementById(id);
const number = (x) => x.toLocaleString("en");

let worker;
let model; // the one that is open: {source, name, about}
const asked = []; // those to be opened
let telling = false;
let waiting = ""; // to be shown at the pace of reading
let timer;
let result; // how the story ended, to be shown after its last word

// ---- what the page carries inside, if it is one file -------------------------------------------------

const inside = (id) => at(id)?.textContent;

async function insideBytes(id) {
    const response = await fetch(`data:application/octet-stream;base64,${inside(id).trim()}`);
    return response.arrayBuffer();
}

function newWorker() {
    const text = inside("worker-text");
    return text
        ? new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })))
        : new Worker("worker.js", { type: "module" });
}

// ---- showing ---------------------------------------------------------------------------------------

function fail(sentence) {
    at("fault").textContent = sentence;
    if (sentence) at("fault").scrollIntoView({ block: "nearest" });
}

function enable() {
    at("tell").disabled = !model;
    at("stop").disabled = !telling;
    at("story").setAttribute("aria-busy", String(telling));
    if (!telling) at("speed").textContent = "";
}

function say(text, strong = "") {
    const b = document.createElement("b");
    b.textContent = strong;
    at("status").replaceChildren(text, b);
}

function speed({ tokens, seconds }) {
    return seconds > 0 ? `${number(Math.round(tokens / seconds))} tokens/s` : "";
}

function showPiece(text) {
    at("story").querySelector(".told").append(text);
}

function finish() {
    telling = false;
    if (result) say(`${number(result.tokens)} tokens · ${ENDS[result.end]} · `, speed(result));
    enable();
}

// A word of what waits, now and again; the last one may be half a word, unless the story has ended.
function showWaiting() {
    clearTimeout(timer);
    timer = undefined;
    const word = waiting.match(result ? /^\s*\S+/ : /^\s*\S+(?=\s)/)?.[0] ?? (result ? waiting : "");
    if (word) showPiece(word);
    waiting = waiting.slice(word.length);
    if (waiting || !result) timer = setTimeout(showWaiting, 1000 / WORDS_A_SECOND);
    else finish();
}

function showInfo(info) {
    at("about").textContent = model.about;
    const facts = {
        Name: info.name,
        Parameters: number(info.parameters),
        Size: `${(info.bytes / 1e6).toFixed(1)} MB`,
        Vocabulary: `${number(info.vocab)} tokens`,
        Shape: `${info.blocks} blocks, ${info.width} wide`,
        Arithmetic: info.math === "int8" ? "8 bits" : "exact",
        Fingerprint: info.fingerprint,
        Library: `libbolt ${info.version}, ${info.cpu}`,
    };
    at("facts").replaceChildren(
        ...Object.entries(facts).map(([name, value]) => {
            const group = document.createElement("div");
            const term = document.createElement("dt");
            const fact = document.createElement("dd");
            term.textContent = name;
            fact.textContent = value;
            group.append(term, fact);
            return group;
        }),
    );
}

const answers = {
    progress({ loaded, total }) {
        at("progress").hidden = false;
        if (total) at("progress").max = total;
        at("progress").value = loaded;
    },
    opened(info) {
        at("progress").hidden = true;
        model = asked.shift();
        showInfo(info);
        if (!telling) say("Ready.");
        enable();
    },
    failed({ sentence, opening }) {
        at("progress").hidden = true;
        if (opening) asked.shift();
        else telling = false;
        fail(sentence);
        say("");
        enable();
    },
    begun(prompt) {
        const told = document.createElement("p");
        told.className = "told";
        const first = document.createElement("span");
        first.className = "prompt";
        first.textContent = prompt;
        told.append(first);
        at("story").replaceChildren(told);
    },
    told({ text, ...story }) {
        at("speed").textContent = speed(story); // not in the status, which a screen reader would read out each time
        if (at("pace").value === "read") {
            waiting += text;
            if (timer === undefined) showWaiting();
        } else showPiece(text);
    },
    ended(story) {
        result = story;
        if (timer === undefined) finish();
    },
};

// ---- asking ----------------------------------------------------------------------------------------

async function openModel(one) {
    fail("");
    say("The model is being opened …");
    asked.push(one);
    const source = one.source ?? (await insideBytes("model-data"));
    const wasm = inside("wasm-data") && (await insideBytes("wasm-data"));
    worker.postMessage({ open: { source, name: one.name, math: at("math").value, wasm } });
}

function openFile(file) {
    if (file) openModel({ source: file, name: file.name, about: `The file ${file.name}, from your machine.` });
}

function remember() {
    const address = new URLSearchParams(location.search);
    FIELDS.forEach((id) => address.set(id, at(id).value));
    address.set("tell", "");
    try {
        history.replaceState(null, "", `?${address}`);
    } catch {
        // a page from a file may not
    }
}

function tell() {
    if (!at("form").reportValidity()) return;
    fail("");
    clearTimeout(timer);
    timer = undefined;
    waiting = "";
    result = undefined;
    telling = true;
    say("Telling …");
    enable();
    worker.postMessage({
        tell: {
            prompt: at("prompt").value,
            options: {
                temperature: at("temperature").valueAsNumber,
                topK: at("top-k").valueAsNumber,
                maxTokens: at("length").valueAsNumber,
                seed: at("seed").valueAsNumber,
            },
        },
    });
    remember();
}

function stop() {
    if (!telling) return;
    worker.postMessage({ stop: true });
    if (result) result.end = "stopped"; // it has been told, but not been shown
    waiting = "";
    if (timer !== undefined) showWaiting();
}

function listen() {
    at("form").addEventListener("submit", (event) => {
        event.preventDefault();
        tell();
    });
    at("form").addEventListener("invalid", () => (at("how").open = true), true); // what is hidden cannot be pointed at
    at("stop").addEventListener("click", stop);
    at("another").addEventListener("click", () => {
        at("seed").value = Math.floor(Math.random() * 1e6);
        if (model) tell();
    });
    at("math").addEventListener("change", () => model && openModel(model));
    at("file").addEventListener("change", () => openFile(at("file").files[0]));
    at("prompt").addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        if (model) tell();
    });
    document.addEventListener("keydown", (event) => event.key === "Escape" && stop());
    for (const kind of ["dragover", "dragleave", "drop"])
        document.addEventListener(kind, (event) => {
            event.preventDefault();
            document.body.classList.toggle("dragging", kind === "dragover");
            if (kind === "drop") openFile(event.dataTransfer.files[0]);
        });
}

// ---- beginning -------------------------------------------------------------------------------------

// The model that the address names, or that came with the page; undefined if there is none.
function firstModel(address) {
    const named = address.get("model");
    if (named) {
        const { href } = new URL(named, location.href);
        return { source: href, name: named, about: `From ${href}, named in the address of this page.` };
    }
    const { model: own, about } = document.documentElement.dataset;
    if (!own) return undefined;
    return {
        source: inside("model-data") ? undefined : new URL(own, location.href).href,
        name: own,
        about: about || "It came with this page.",
    };
}

function begin() {
    const address = new URLSearchParams(location.search);
    FIELDS.filter((id) => address.has(id)).forEach((id) => (at(id).value = address.get(id)));
    worker = newWorker();
    worker.onmessage = ({ data }) => Object.keys(data).forEach((kind) => answers[kind](data[kind]));
    worker.onerror = () => fail(TOO_OLD);
    at("how").open = matchMedia("(min-width: 40rem)").matches; // where it would push the story away
    listen();
    const first = firstModel(address);
    if (!first) say("Drop a model.bolt onto this page, or choose one below.");
    else openModel(first).then(() => address.has("tell") && tell());
}

begin();
