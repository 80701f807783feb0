// worker.js - opens a model and tells stories, away from the page. A message is an object with one key, which says what it is:
//
//   to here     open: {source, math, name, wasm}    tell: {prompt, options}    stop: true
//   from here   progress: {loaded, total}    opened: info    failed: {sentence, opening}
//               begun: prompt    told: {text, tokens, seconds}    ended: {end, tokens, seconds}
//
// One story at a time: another, or another model, ends the one before. A model that cannot be opened leaves the one there is.
import { open } from "./bolt.js";

const FRAME_MS = 12; // a page shows no more in that time than all at once

let model;
let story;
let newest = 0; // number of the newest message
let queue = Promise.resolve(); // one after the other

const send = (message) => self.postMessage(message);

async function openModel({ source, math, name, wasm }) {
    const next = await open(source, { math, name, wasm, progress: (loaded, total) => send({ progress: { loaded, total } }) });
    model?.close();
    model = next;
    send({ opened: model.info });
}

async function tell({ prompt, options }, number) {
    story = model.tell(prompt, options);
    if (number !== newest) story.stop();
    send({ begun: story.prompt });
    let text = "";
    let sent = 0;
    const flush = () => {
        if (text) send({ told: { text, tokens: story.tokens, seconds: story.seconds } });
        text = "";
        sent = performance.now();
    };
    for await (const piece of story) {
        text += piece;
        if (performance.now() - sent > FRAME_MS) flush();
    }
    flush();
    send({ ended: { end: story.end, tokens: story.tokens, seconds: story.seconds } });
}

self.onmessage = ({ data }) => {
    const number = ++newest;
    story?.stop();
    if (data.stop) return;
    queue = queue
        .then(() => (data.open ? openModel(data.open) : tell(data.tell, number)))
        .catch((e) => send({ failed: { sentence: e.message, opening: Boolean(data.open) } }));
};
