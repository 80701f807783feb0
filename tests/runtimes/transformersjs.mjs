// Reads triples of prompt, story and most tokens, as JSON, that Transformers.js must tell by the models named:
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
    for (const [prompt, story, most] of triples) {
        const [{ generated_text: text }] = await tell(prompt, { max_new_tokens: most, do_sample: false });
        if (text !== story) {
            failed = true;
            console.log(`${name}: ${JSON.stringify(text)}, expected ${JSON.stringify(story)}`);
        }
    }
    console.log(`Transformers.js ${env.version}, ${name}: ${triples.length} stories`);
}
process.exit(failed ? 1 : 0);
