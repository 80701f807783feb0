#include "load/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "format/blob_file.h"
#include "format/ckpt.h"
#include "format/vocabdb.h"
#include "os/file.h"

/* best.safetensors, or the newest good step; *skipped gets the faults of steps passed over. */
static int newest_in(const char *dir, char **found, char **skipped, struct err *e)
{
    char *best;
    if (asprintf(&best, "%s/best.safetensors", dir) < 0)
        return err_memory(e, "%s: out of memory", dir);
    struct ckpt c;
    struct err fault;
    if (ckpt_open(&c, best, &fault) == 0) {
        ckpt_close(&c);
        *found = best;
        return 0;
    }
    free(best);
    if (ckpt_open_newest(&c, dir, found, skipped, e))
        return -1;
    if (!*found)
        return err_set(e, "%s: holds no good checkpoint", dir);
    ckpt_close(&c);
    return 0;
}

int load_find(const char *path, char **found, struct err *e)
{
    struct stat st;
    char *skipped = NULL;
    *found = NULL;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        int rc = newest_in(path, found, &skipped, e);
        free(skipped);
        return rc;
    }
    *found = strdup(path);
    return *found ? 0 : err_memory(e, "%s: out of memory", path);
}

static int check_vocab(const struct vocab *v, const char *vocab_path, uint64_t expected,
                       const char *path, struct err *e)
{
    uint64_t found = vocab_fingerprint(v);
    if (expected == 0 || found == expected)
        return 0;
    return err_set(e,
                   "%s: not the vocabulary of %s (found fingerprint %016" PRIx64
                   ", expected %016" PRIx64 ")",
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

static int open_blob(struct modelfile *b, const char *path, const char *vocab_path, struct err *e)
{
    struct vocab v;
    if (load_blob(b, path, e))
        return -1;
    if (!vocab_path)
        return 0;
    int rc = vocabdb_load(&v, vocab_path, e);
    if (rc == 0) {
        rc = check_vocab(&v, vocab_path, b->vocab_fingerprint, path, e);
        vocab_release(&v);
    }
    if (rc)
        load_close(b);
    return rc;
}

int load_model(struct model *m, const struct ckpt *c, const char *path, const struct kern *k,
               struct err *e)
{
    struct err fault;
    float *params = malloc(dims_n_floats(&c->dims) * sizeof *params);
    if (!params)
        return err_memory(e, "%s: out of memory", path);
    int rc = ckpt_read(c, params, NULL, NULL, &fault);
    if (rc == 0)
        rc = model_from_params(m, &c->dims, params, c->ternary, k, &fault);
    if (rc)
        err_at(e, path, &fault);
    free(params);
    return rc;
}

int load_vocab(struct vocab *v, const struct ckpt *c, const char *path, const char *vocab_path,
               struct err *e)
{
    if (!vocab_path)
        return err_set(e, "%s: a checkpoint holds no vocabulary; name its vocab.db with --vocab",
                       path);
    if (vocabdb_load(v, vocab_path, e))
        return -1;
    if (v->n_tokens != (uint32_t)c->dims.V)
        err_set(e, "%s: vocabulary of another size than %s (found %u tokens, expected %d)",
                vocab_path, path, (unsigned)v->n_tokens, c->dims.V);
    else if (check_vocab(v, vocab_path, c->state.vocab_fingerprint, path, e) == 0)
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
    b->tokenizer = tokenizer_new(b->vocab, &fault);
    return b->tokenizer ? 0 : err_at(e, vocab_path, &fault);
}

static int open_ckpt(struct modelfile *b, const char *path, const char *vocab_path,
                     const struct kern *k, struct err *e)
{
    struct ckpt c;
    *b = (struct modelfile){0};
    if (ckpt_open(&c, path, e))
        return -1;
    int rc = fill_from_ckpt(b, &c, path, vocab_path, k, e);
    if (rc)
        load_close(b);
    ckpt_close(&c);
    return rc;
}

int load_open(struct modelfile *b, const char *path, const char *vocab_path, const struct kern *k,
              struct err *e)
{
    struct file_map map;
    char *found;
    *b = (struct modelfile){0};
    if (load_find(path, &found, e))
        return -1;
    int rc = file_map(&map, found, e); /* says so if it cannot be read at all */
    if (rc == 0) {
        size_t size = map.size;
        file_unmap(&map);
        if (blob_probe_file(found))
            rc = open_blob(b, found, vocab_path, e);
        else if (safetensors_probe(found))
            rc = open_ckpt(b, found, vocab_path, k, e);
        else if (size == 0)
            rc = err_set(e, "%s: is empty, expected a model", found);
        else
            rc = err_set(e, "%s: neither a model blob nor a checkpoint", found);
    }
    free(found);
    if (rc == 0)
        vocab_drop_merges(b->vocab);
    return rc;
}
