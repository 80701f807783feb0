// The types of the package beside a program as one would write it; `tsc --noEmit` reads it.
import { open, supported, BoltError, EOS, type Info, type Model, type Story } from "flashlm-bolt";

export async function tell(file: Blob, show: (text: string) => void): Promise<Info> {
    if (!supported()) throw new BoltError("support", "no SIMD");
    const model: Model = await open(file, { math: "exact", progress: (loaded, total) => show(`${loaded} of ${total ?? "?"}`) });
    const story: Story = model.tell("Once upon a time", { temperature: 0.7, topK: 40, maxTokens: Infinity, seed: 4 });
    for await (const text of story) {
        show(text);
        if (story.tokens > 100) story.stop();
    }
    const ids: number[] = [...model.encode("a cat"), EOS];
    show(model.decode(ids) + model.info.parameters.toFixed() + story.end);
    try {
        model.close();
    } catch (e) {
        if (e instanceof BoltError && e.code === "argument") show(e.message);
    }
    return model.info;
}

// @ts-expect-error a kind of arithmetic there is not
export const wrong = (file: Blob) => open(file, { math: "int4" });
