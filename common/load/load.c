#include "load/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/kind.h"
#include "format/vocabdb.h"
#include "format/vocabjson.h"
#include "os/file.h"

/* ---- finding and opening --------------------------------------------------------------------- */

/* Opens *c or *b; *found gets the path of the file, for the caller to free. */
static int open_model(const char *path, char **found, bool *is_ckpt, struct ckpt *c,
                      struct modelfile *b, struct err *e)
{
    enum kind kind;
    *found = NULL;
    *is_ckpt = true;
    if (file_is_folder(path))
        return ckpt_open_best(c, path, found, e);
    *found = strdup(path);
    if (!*found)
        return err_memory(e, "%s: out of memory", path);
    if (kind_of_file(path, &kind, NULL, e))
        return -1;
    *is_ckpt = kind == KIND_SAFETENSORS;
    if (*is_ckpt)
        return ckpt_open(c, path, e);
    if (kind == KIND_BLOB)
        return load_blob(b, path, e);
    if (kind_text(kind))
        return err_set(e, "%s: is %s, neither a model blob nor a checkpoint", path,
                       kind_text(kind));
    return err_set(e,
                   kind == KIND_EMPTY ? "%s: is empty, expected a model"
                                      : "%s: neither a model blob nor a checkpoint",
                   path);
}

int load_source_open(struct load_source *s, const char *path, struct err *e)
{
    *s = (struct load_source){0};
    if (open_model(path, &s->path, &s->is_ckpt, &s->ckpt, &s->blob, e) == 0)
        return 0;
    free(s->path);
    *s = (struct load_source){0};
    return -1;
}

void load_source_close(struct load_source *s)
{
    if (s->is_ckpt)
        ckpt_close(&s->ckpt);
    else
        load_close(&s->blob);
    free(s->path);
    *s = (struct load_source){0};
}

/* ---- its parts ------------------------------------------------------------------------------- */

static int check_vocab(const struct vocab *v, const char *vocab_path, uint64_t expected,
                       const char *path, struct err *e)
{
    uint64_t found = vocab_fingerprint(v);
    if (expected == 0 || found == expected)
        return 0;
    return err_set(e,
                   "%s: not the vocabulary of %s (found fingerprint %016" PRIx64
                   ", expected %016" PRIx64 "); give the one it was trained with",
                   vocab_path, path, found, expected);
}

int load_blob(struct modelfile *b, const char *path, struct err *e)
{
    struct file_map map;
    *b = (struct modelfile){0};
    if (file_map(&map, path, e))
        return -1;
    if (modelfile_read(b, map.data, map.size, path, e)) {
        file_unmap(&map);
        return -1;
    }
    return 0;
}

void load_close(struct modelfile *b)
{
    struct file_map map = {b->blob.data, b->blob.size};
    modelfile_release(b);
    file_unmap(&map);
}

/* Of a database, or of a tokenizer.json, which may have more tokens than the n of the model. */
static int read_vocab(struct vocab *v, const char *path, uint32_t n, struct err *e)
{
    enum kind kind;
    if (kind_of_file(path, &kind, NULL, e))
        return -1;
    return kind == KIND_OTHER ? vocabjson_load(v, path, n, true, e) : vocabdb_load(v, path, e);
}

int load_check_vocab(const struct modelfile *b, const char *path, const char *vocab_path,
                     struct err *e)
{
    struct vocab v;
    if (read_vocab(&v, vocab_path, b->vocab->n_tokens, e))
        return -1;
    int rc = check_vocab(&v, vocab_path, b->vocab_fingerprint, path, e);
    vocab_release(&v);
    return rc;
}

int load_model(struct model *m, const struct ckpt *c, const char *path, const struct kern *k,
               struct err *e)
{
    struct err fault;
    float *params = malloc(dims_n_floats(&c->dims) * sizeof *params);
    if (!params)
        return err_memory(e, "%s: out of memory", path);
    ckpt_read(c, params);
    int rc = model_from_params(m, &c->dims, params, c->ternary, k, &fault);
    if (rc)
        err_at(e, path, &fault);
    free(params);
    return rc;
}

int load_vocab(struct vocab *v, const struct ckpt *c, const char *path, const char *vocab_path,
               struct err *e)
{
    if (!vocab_path)
        return err_usage(e, "%s: a checkpoint holds no vocabulary; name its vocab.db with --vocab",
                         path);
    if (read_vocab(v, vocab_path, (uint32_t)c->dims.V, e))
        return -1;
    if (v->n_tokens != (uint32_t)c->dims.V)
        err_set(e,
                "%s: vocabulary of another size than %s (found %u tokens, expected %d); give the "
                "one it was trained with",
                vocab_path, path, (unsigned)v->n_tokens, c->dims.V);
    else if (check_vocab(v, vocab_path, c->state.prints.vocab, path, e) == 0)
        return 0;
    vocab_release(v);
    return -1;
}

/* Fills b, which is zeroed; the caller closes it after a failure. */
static int fill_from_ckpt(struct modelfile *b, const struct ckpt *c, const char *path,
                          const char *vocab_path, const struct kern *k, struct err *e)
{
    struct err fault;
    if (load_vocab(&b->owned_vocab, c, path, vocab_path, e) || load_model(&b->model, c, path, k, e))
        return -1;
    b->vocab = &b->owned_vocab;
    b->vocab_fingerprint = vocab_fingerprint(b->vocab);
    b->vocab_assumed = c->state.prints.vocab == 0;
    b->tokenizer = tokenizer_new(b->vocab, &fault);
    return b->tokenizer ? 0 : err_at(e, vocab_path, &fault);
}

int load_open(struct modelfile *b, const char *path, const char *vocab_path, const struct kern *k,
              struct err *e)
{
    struct ckpt c;
    char *found;
    bool is_ckpt;
    *b = (struct modelfile){0};
    int rc = open_model(path, &found, &is_ckpt, &c, b, e);
    if (rc == 0 && is_ckpt) {
        rc = fill_from_ckpt(b, &c, found, vocab_path, k, e);
        ckpt_close(&c);
    } else if (rc == 0 && vocab_path) {
        rc = load_check_vocab(b, found, vocab_path, e);
    }
    if (rc == 0)
        vocab_drop_merges(b->vocab);
    else
        load_close(b);
    free(found);
    return rc;
}
