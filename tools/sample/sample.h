/* sample.h - a model ready to tell, and the telling of all stories by all threads. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "load/load.h"
#include "model/infer.h"
#include "model/sampler.h"
#include "model/shortlist.h"
#include "sample/output.h"

struct sample_options {
    struct sampler_options sampler;
    enum model_math math;
    const struct cpu_level *level;
    int n_threads;       /* 1..1024 */
    uint64_t max_tokens; /* drawn at most in a story, > 0; the prompt's are not counted */
    uint64_t seed;
    bool ignore_eos; /* EOS is never drawn */
};

/* What threads share; read-only after sample_open. */
struct sample {
    struct sample_options options;
    struct kern kern;
    struct modelfile file;
    struct infer_weights weights;
    struct shortlist_head shortlist; /* in exact arithmetic */
};

/* Opens the model (load_open) and prepares it. sample_close in any case. */
MUST_USE int sample_open(struct sample *s, const struct sample_options *o, const char *model,
                         const char *vocab, struct err *e);
void sample_close(struct sample *s);

/* Tells all stories of the prompts. Story number i of a prompt depends on the model, the options,
 * the prompt and i only: not on threads, on --count or on other stories. */
MUST_USE int sample_tell(const struct sample *s, struct prompts *p, const struct stop *stop,
                         struct output *o, struct err *e);

#endif
