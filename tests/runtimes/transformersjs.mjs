// Reads triples of prompt, story and most tokens, as JSON, that Transformers.js must tell by the models named, one at a time and
// as a batch, whose shorter prompts are padded:
//     NODE_MODULES=FOLDER transformersjs.mjs MODELS NAME...
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.NODE_MODULES + "/");
const { env, pipeline } = await import(pathToFileURL(require.resolve("@huggingface/transformers")));
env.allowRemoteModels = false;
env.localModelPath = process.argv[2] + "/";

const triples = JSON.parse(readFileSync(0, "utf8"));
let failed = false;
for (const name of process.argv.slice(3)) {
    const tell = await pipeline("text-generation", name, { session_options: { intraOpNumThreads: 1 } });
    const check = (text, story, how) => {
        if (text === story) return;
        failed = true;
        console.log(`${name}, ${how}: ${JSON.stringify(text)}, expected ${JSON.stringify(story)}`);
    };
    for (const [prompt, story, most] of triples) {
        const [{ generated_text: text }] = await tell(prompt, { max_new_tokens: most, do_sample: false });
        check(text, story, "alone");
    }
    const batch = await tell(triples.map(([prompt]) => prompt), { max_new_tokens: triples[0][2], do_sample: false });
    triples.forEach(([, story], i) => check(batch[i][0].generated_text, story, "in a batch"));
    const last = async (texts) => (await tell.model(tell.tokenizer(texts, { padding: true }))).logits.slice(null, -1).tolist();
    const together = await last(triples.map(([prompt]) => prompt));
    for (const [i, [prompt]] of triples.entries()) {
        const [alone] = await last([prompt]);
        const most = Math.max(...alone.map((x, id) => Math.abs(x - together[i][id])));
        if (most < 1e-5) continue;
        failed = true;
        console.log(`${name}: a logit after ${JSON.stringify(prompt)} is ${most} off in a batch`);
    }
    console.log(`Transformers.js ${env.version}, ${name}: ${triples.length} stories`);
}
process.exit(failed ? 1 : 0);
