#include "export/info.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "load/load.h"
#include "cli/cli.h"
#include "format/kind.h"
#include "format/shard.h"
#include "format/vocabdb.h"
#include "os/file.h"

/* ---- facts: "name   value" a line, or members of one JSON object ---- */

static struct cli_json json;

/* Strings out of files are made harmless for a terminal. */
static void print_line(const char *name, const char *value)
{
    struct cli_utf8 safe = {.terminal = true};
    cli_utf8_write(&safe, stdout, name, strlen(name));
    printf("%*s ", (int)MAX(0, 18 - (long)strlen(name)), "");
    cli_utf8_write(&safe, stdout, value, strlen(value));
    cli_utf8_flush(&safe, stdout);
    putchar('\n');
}

static void fact_text(const char *name, const char *value)
{
    if (cli.json)
        cli_json_text(&json, name, value);
    else
        print_line(name, value);
}

static void fact_count(const char *name, uint64_t value)
{
    char text[32];
    if (cli.json)
        cli_json_uint(&json, name, value);
    else
        printf("%-18s %s\n", name, cli_count_text(text, value));
}

static void fact_real(const char *name, double value)
{
    if (cli.json)
        cli_json_real(&json, name, value);
    else if (isfinite(value))
        printf("%-18s %.7g\n", name, value);
    else
        printf("%-18s none\n", name);
}

static void fact_fingerprint(const char *name, uint64_t value)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, value);
    fact_text(name, value ? text : "none");
}

static void begin(const char *path, const char *kind, size_t n_bytes)
{
    if (cli.json)
        cli_json_begin(&json, stdout);
    fact_text("file", path);
    fact_text("kind", kind);
    fact_count("bytes", n_bytes);
}

static void end(void)
{
    if (cli.json)
        cli_json_end(&json);
}

/* ---- what several kinds share ---- */

static void facts_of_dims(const struct dims *d)
{
    char dilation[512];
    dims_dilation_text(d, dilation, sizeof dilation);
    fact_count("parameters", dims_n_params(d));
    fact_count("vocab_size", (uint64_t)d->V);
    fact_count("dim", (uint64_t)d->D);
    fact_count("n_blocks", (uint64_t)d->L);
    fact_count("glu_hidden", (uint64_t)d->H);
    fact_count("kernel_size", (uint64_t)d->K);
    fact_count("seq_len", (uint64_t)d->T);
    fact_text("dilation", dilation);
    if (dims_is_v4(d))
        return;
    char mixers[DIMS_MIXERS_TEXT];
    dims_mixers_text(d, mixers, sizeof mixers);
    fact_text("mixers", mixers);
    fact_count("embed_norm", (uint64_t)d->embed_norm);
    fact_count("heads", (uint64_t)d->heads);
    fact_count("key_width", (uint64_t)d->key_width);
    fact_count("window", (uint64_t)d->window);
}

/* Share of zeros among the ternary weights. */
static double zero_share(struct model *m)
{
    uint64_t n_zero = 0;
    uint64_t n = 0;
    for (size_t i = 0; i < dims_n_tensors(&m->dims); i++) {
        struct tensor t;
        dims_tensor(&m->dims, i, &t);
        const struct model_tern *w = model_ternary(m, t.kind, t.block);
        if (!w)
            continue;
        n += t.n;
        for (size_t r = 0; r < w->rows; r++) {
            const uint8_t *row = w->codes + r * DIV_UP(w->cols, 4);
            for (size_t c = 0; c < w->cols; c++)
                n_zero += (row[c / 4] >> 2 * (c % 4) & 3) == 1;
        }
    }
    return (double)n_zero / (double)n;
}

static void facts_of_vocab(const struct vocab *v)
{
    fact_text("tokenizer", vocab_kind_names[v->kind]);
    fact_text("normalize", vocab_normalize_names[v->form.normalize]);
    fact_text("lines", vocab_lines_names[v->form.lines]);
    fact_text("pretokens", vocab_pretokens_names[v->pretokens]);
    fact_count("n_merges", v->n_merges);
    fact_fingerprint("vocab_fingerprint", vocab_fingerprint(v));
}

/* ---- one function a kind ---- */

static void info_blob(const char *path, struct modelfile *b)
{
    begin(path, "model blob", b->blob.size);
    fact_count("version", b->blob.version);
    facts_of_dims(&b->model.dims);
    fact_text("embedding", number_type_names[b->blob.embed]);
    fact_real("zero_share", zero_share(&b->model));
    facts_of_vocab(b->vocab);
    fact_fingerprint("fingerprint", b->blob.fingerprint);
    end();
}

static void facts_of_optimiser(const struct ckpt *c)
{
    struct ckpt_number n;
    fact_text("optimiser", c->state.settings.optimiser);
    for (size_t at = 0; ckpt_next_number(c, &at, &n);)
        fact_real(n.key, n.value);
}

static void facts_of_curriculum(const struct ckpt_state *s)
{
    char epochs[64 * CKPT_MAX_PARTS] = "";
    fact_text("curriculum", s->settings.curriculum);
    for (size_t i = 0, n = 0; i < s->progress.n_parts; i++)
        n += (size_t)snprintf(epochs + n, sizeof epochs - n, "%s%s %" PRIu64, i ? ", " : "",
                              s->progress.parts[i].name, s->progress.parts[i].epoch);
    fact_text("epochs", epochs);
}

static void facts_of_state(const struct ckpt *c)
{
    const struct ckpt_state *s = &c->state;
    fact_count("version", (uint64_t)ckpt_version(&c->dims, s));
    fact_count("step", s->progress.step);
    fact_count("tokens", s->progress.tokens);
    fact_count("epoch", s->progress.epoch);
    fact_count("position", s->progress.position);
    fact_real("progress", s->progress.share);
    fact_real("best_loss", s->progress.best_loss);
    fact_count("patience", s->progress.patience);
    fact_real("elapsed", s->progress.elapsed);
    fact_count("seed", s->settings.seed);
    fact_count("batch", s->settings.batch);
    fact_count("accum_steps", s->settings.accum);
    fact_real("lr", s->settings.lr);
    fact_real("min_lr", s->settings.min_lr);
    fact_text("windows", s->settings.windows);
    if (s->settings.curriculum[0])
        facts_of_curriculum(s);
    fact_text("schedule", s->settings.schedule);
    if (s->settings.decay_share > 0)
        fact_real("decay_share", s->settings.decay_share);
    fact_text("recipe", s->settings.recipe);
    facts_of_optimiser(c);
    fact_text("precision", s->settings.precision);
    fact_text("isa", s->settings.isa);
    fact_fingerprint("train_fingerprint", s->prints.train);
    fact_fingerprint("valid_fingerprint", s->prints.valid);
}

/* A wrong one does not come this far. */
static const char *checksums(const struct safetensors *s)
{
    return s->has_checksums ? "right" : "none";
}

static int info_ckpt(const char *path, const struct ckpt *c, const struct kern *k, struct err *e)
{
    struct model m;
    if (load_model(&m, c, path, k, e))
        return -1;
    begin(path, c->has_state ? "checkpoint" : "weights", c->file.map.size);
    facts_of_dims(&c->dims);
    fact_text("weights", c->ternary ? "ternary" : "float");
    fact_text("moments", c->n_arrays ? "yes" : "no");
    fact_text("checksums", checksums(&c->file));
    fact_real("zero_share", zero_share(&m));
    fact_fingerprint("vocab_fingerprint", c->state.prints.vocab);
    if (c->has_state)
        facts_of_state(c);
    end();
    model_release(&m);
    return 0;
}

/* Safetensors of something else than a Bolt model. */
static void info_safetensors(const char *path, const struct safetensors *s)
{
    begin(path, "safetensors", s->map.size);
    fact_count("n_tensors", s->n_tensors);
    fact_text("checksums", checksums(s));
    if (cli.json)
        cli_json_object(&json, "metadata");
    for (size_t i = 0; i < s->n_meta; i++)
        fact_text(s->meta[i].key, s->meta[i].value);
    if (cli.json)
        cli_json_object_end(&json);
    end();
}

static int info_other_safetensors(const char *path, struct err *e)
{
    struct safetensors s;
    if (safetensors_open(&s, path, e))
        return -1;
    bool is_model = safetensors_find(&s, "embedding.weight") != NULL;
    if (!is_model)
        info_safetensors(path, &s);
    safetensors_close(&s);
    return is_model;
}

static int info_model(const char *path, const struct kern *k, struct err *e)
{
    struct load_source s;
    if (load_source_open(&s, path, e))
        return -1;
    int rc = 0;
    if (s.is_ckpt)
        rc = info_ckpt(s.path, &s.ckpt, k, e);
    else
        info_blob(s.path, &s.blob);
    load_source_close(&s);
    return rc;
}

static int info_shard(const char *path, struct err *e)
{
    struct shard s;
    if (shard_open(&s, path, e))
        return -1;
    begin(path, "token shard", s.map.size);
    fact_count("version", SHARD_VERSION);
    fact_count("n_tokens", s.n_tokens);
    fact_count("n_stories", s.n_stories);
    fact_count("n_chars", s.n_chars);
    fact_count("n_bytes", s.n_bytes);
    fact_count("n_unk", s.n_unk);
    fact_count("vocab_size", s.vocab_size);
    fact_fingerprint("vocab_fingerprint", s.vocab_fingerprint);
    fact_fingerprint("fingerprint", s.fingerprint);
    end();
    shard_close(&s);
    return 0;
}

static int info_vocab(const char *path, size_t n_bytes, struct err *e)
{
    struct vocab v;
    if (vocabdb_load(&v, path, e))
        return -1;
    begin(path, "vocabulary", n_bytes);
    fact_count("version", (uint64_t)vocabdb_version(&v));
    fact_count("vocab_size", v.n_tokens);
    facts_of_vocab(&v);
    end();
    vocab_release(&v);
    return 0;
}

int info_print(const char *path, const struct kern *k, struct err *e)
{
    enum kind kind = KIND_SAFETENSORS;
    size_t n_bytes;
    struct err fault;
    bool is_folder = file_is_folder(path);
    if (!is_folder && kind_of_file(path, &kind, &n_bytes, e))
        return -1;
    switch (kind) {
    case KIND_EMPTY:
        return err_set(e, "%s: is empty", path);
    case KIND_OTHER:
        break;
    case KIND_SHARD:
        return info_shard(path, e);
    case KIND_VOCAB:
        return info_vocab(path, n_bytes, e);
    case KIND_BLOB:
        return info_model(path, k, e);
    case KIND_SAFETENSORS:
        if (info_model(path, k, e) == 0)
            return 0;
        /* not a model of this project: of something else, or damaged */
        return !is_folder && info_other_safetensors(path, &fault) == 0 ? 0 : -1;
    }
    return err_set(e, "%s: unknown kind of file (expected a blob, checkpoint, shard or vocabulary)",
                   path);
}
