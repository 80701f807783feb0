#include "prep/intake.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "corpus/emit.h"
#include "os/clock.h"
#include "os/pipeline.h"
#include "prep/gpt2vocab.h"
#include "prep/holdout.h"
#include "prep/sources.h"

const char *const intake_split_names[INTAKE_N_SPLITS] = {"train", "valid"};

/* The state of a run of the intake. */
struct reader {
    struct intake *in;
    const struct prep_options *o;
    struct vocab_form form;
    enum vocab_pretokens pretokens;
    struct there *there; /* NULL unless stories are added to a folder */
    struct pool *pool;
    struct batch *batches; /* owned, [n_batches] */
    size_t n_batches;
    struct batch_worker *workers; /* owned, [n_workers]: one a thread of the pool, and the last */
    size_t n_workers;             /* for batches that are worked on once more */
    size_t n_since;               /* batches taken since words were pruned */
    struct pipeline *pipeline;    /* while a file is read */
    struct storyset seen;         /* stories of the training inputs, and of the folder */
    struct storyset held;         /* of these, held out */
    struct storyset wholes;       /* of these, cut: one piece for training, the other held out */
    struct holdout holdout;       /* used where no story fell on validation's side */
    uint64_t n_told;              /* stories read, of the current part, that are not blank */
    size_t part;                  /* its number */
    uint64_t n_moved;             /* of its stories, to be held out */
    const char *path;             /* of the present file */
    bool last;                    /* the current file is the last input */
    bool cut;        /* the batch begins with a text in two pieces: for training, and held out */
    bool uncut;      /* its one text is all there is, and has nowhere to be cut */
    bool from_valid; /* the current file was named by --valid */
    struct vocabdb_source rows[INTAKE_N_SPLITS]; /* of the present file */
    uint64_t n_kept[INTAKE_N_SPLITS];
    struct cli_progress progress;
    uint64_t bytes_before;    /* of the files that are done */
    uint64_t bytes_total;     /* of all files; 0 if unknown */
    _Atomic uint64_t n_shown; /* stories taken, for the progress of the reading */
};

/* Which side a story of the inputs falls on: that of an equal one, or by its text alone, so that
 * neither order nor duplicates change it. */
static enum intake_split side(const struct reader *r, struct hash128 hash)
{
    if (r->from_valid || (!r->o->n_valid && storyset_has(&r->held, hash)))
        return INTAKE_VALID;
    if (r->uncut || storyset_has(&r->seen, hash))
        return INTAKE_TRAIN;
    double place = (double)(hash.low >> 11) * 0x1p-53; /* uniform in [0, 1) */
    return place < r->o->valid_fraction ? INTAKE_VALID : INTAKE_TRAIN;
}

/* Whether the text of story i is there, here or in the folder, as two pieces, of which one is for
 * validation. */
static int find_cut(struct reader *r, const struct batch *b, size_t i, bool *found, struct err *e)
{
    struct batch_worker *w = &r->workers[r->n_workers - 1];
    struct normalize_view v;
    struct normalize_stats ignored = {0};
    size_t n;
    const char *raw = stories_raw(&b->raw, i, &n);
    *found = storyset_has(&r->wholes, b->stories[i].hash);
    if (*found || !r->there || !r->there->n_cuts)
        return 0;
    if (normalize_view(&w->unicode, r->form, raw, n, &w->text, &v, &ignored, e))
        return -1;
    *found = there_is_cut(r->there, v.text, v.n);
    return 0;
}

/* *is_new is false for a story that is there already, *stays for one that is dropped for that: also
 * where duplicates are kept if it, or a piece of it, would be on both sides. */
static int check_seen(struct reader *r, const struct batch *b, size_t i, bool *is_new, bool *stays,
                      struct err *e)
{
    struct hash128 hash = b->stories[i].hash;
    bool is_cut = false;
    if (r->from_valid) {
        *is_new = !storyset_has(&r->held, hash);
        r->in->n_overlap += *is_new && storyset_has(&r->seen, hash);
    } else if (storyset_add(&r->seen, hash, is_new, e) || find_cut(r, b, i, &is_cut, e)) {
        return -1;
    }
    *is_new = *is_new && !is_cut;
    *stays = *is_new || (r->o->keep_duplicates && !is_cut && !r->cut);
    return 0;
}

/* Counts the words of a story for training, if anything is learned from them; remembers the first
 * to be held out. */
static int learn_from(struct reader *r, const struct batch_story *s, bool is_new, struct err *e)
{
    const struct holdout_story story = {s->hash, s->words, s->n_words, is_new};
    bool head = r->n_kept[INTAKE_TRAIN] < GPT2VOCAB_HEAD_STORIES;
    struct pretoken *items = r->in->lexicon.words->items;
    for (size_t i = 0; i < s->n_words && !r->o->vocab; i++) {
        struct pretoken *word = &items[s->words[i]];
        word->count++;
        word->count_head += head;
    }
    return holdout_see(&r->holdout, &story, e);
}

static int hold_out(struct reader *r, struct hash128 hash, struct err *e)
{
    bool is_new;
    return r->from_valid ? 0 : storyset_add(&r->held, hash, &is_new, e);
}

static int take_story(struct reader *r, struct batch *b, size_t i, struct err *e)
{
    struct intake *in = r->in;
    struct batch_story *s = &b->stories[i];
    bool is_new, stays;
    if (!s->n_bytes) {
        r->rows[r->from_valid ? INTAKE_VALID : INTAKE_TRAIN].n_empty++;
        return 0;
    }
    enum intake_split split = r->cut ? (enum intake_split)i : side(r, s->hash);
    struct vocabdb_source *row = &r->rows[split];
    if (check_seen(r, b, i, &is_new, &stays, e))
        return -1;
    if (!stays) {
        row->n_duplicates++;
        return 0;
    }
    if (batch_resolve(s, in->lexicon.words, e) ||
        (split == INTAKE_TRAIN ? learn_from(r, s, is_new, e) : hold_out(r, s->hash, e)))
        return -1;
    r->n_kept[split]++;
    row->n_stories++;
    row->n_chars += s->n_chars;
    row->n_bytes += s->n_bytes;
    return spool_add(&in->spools[split], s->n_chars, s->n_bytes, s->words, s->n_words, e);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static const char *part_name(const struct reader *r)
{
    return r->o->n_parts ? r->o->parts[r->part] : NULL;
}

/* Stories of the part so far. */
static uint64_t n_of_part(const struct reader *r, enum intake_split split)
{
    return r->in->spools[split].n_stories - (r->part ? r->in->ends[split][r->part - 1] : 0);
}

/* Whether the folder that stories are added to has some of this part. */
static bool has(const struct reader *r, enum shardlist_split split)
{
    return r->there && there_count(r->there, split, part_name(r)) > 0;
}

/* Whether a story of this part will be held out if none has been by its end. */
static bool may_hold_out(const struct reader *r)
{
    return !r->o->n_valid && r->o->valid_fraction > 0 && !n_of_part(r, INTAKE_VALID) &&
           !has(r, SHARDLIST_VALID);
}

/* ---- stages ---------------------------------------------------------------------------------- */

static int work_on_batch(void *context, void *piece, size_t worker, struct err *e)
{
    struct reader *r = context;
    const struct words *table = atomic_load(&r->in->lexicon.words);
    return batch_process(piece, &r->workers[worker], r->form, r->pretokens, table, e);
}

/* The numbers of b are those of words that have been pruned since. */
static int renumber(struct reader *r, struct batch *b, struct err *e)
{
    const struct words *table = r->in->lexicon.words;
    return b->segment == table->segment ? 0 : work_on_batch(r, b, r->n_workers - 1, e);
}

/* A story to be held out after all the others were read has its words in the last segment. */
static int prune(struct reader *r, struct err *e)
{
    struct intake *in = r->in;
    if (!lexicon_is_full(&in->lexicon) || may_hold_out(r))
        return 0;
    for (int split = 0; split < INTAKE_N_SPLITS; split++)
        if (spool_cut(&in->spools[split], e))
            return -1;
    r->n_since = 0;
    return lexicon_prune(&in->lexicon, e);
}

static int take_batch(void *context, void *piece, struct err *e)
{
    struct reader *r = context;
    struct batch *b = piece;
    r->rows[r->from_valid ? INTAKE_VALID : INTAKE_TRAIN].n_invalid += b->n_invalid;
    for (size_t i = 0; i < b->raw.n; i++)
        if (renumber(r, b, e) || take_story(r, b, i, e) || prune(r, e))
            return -1;
    stories_clear(&b->raw);
    if (++r->n_since > r->n_batches) /* all that have begun before are done */
        lexicon_forget(&r->in->lexicon);
    atomic_store(&r->n_shown, r->n_kept[INTAKE_TRAIN] + r->n_kept[INTAKE_VALID]);
    return 0;
}

static int on_story(void *context, const char *text, size_t n, struct err *e)
{
    struct reader *r = context;
    struct batch *b = pipeline_piece(r->pipeline);
    if (b && stories_full(&b->raw)) { /* not before: the last may be the only one */
        pipeline_put(r->pipeline);
        b = pipeline_piece(r->pipeline);
    }
    r->in->raw_bytes += n;
    r->n_told += !emit_is_blank(text, n);
    return b ? stories_add(&b->raw, text, n, e) : -1;
}

static void on_progress(void *context, uint64_t read, uint64_t total)
{
    struct reader *r = context;
    char detail[128], stories[32], bytes[32];
    (void)total; /* of this file alone */
    double seconds = clock_seconds() - r->progress.start;
    double share = -1;
    if (r->bytes_total)
        share = (double)(r->bytes_before + read) / (double)r->bytes_total;
    snprintf(detail, sizeof detail, "%s of text, %s stories, %.1f MB/s",
             cli_bytes_text(bytes, r->in->raw_bytes),
             cli_count_text(stories, atomic_load(&r->n_shown)),
             (double)r->in->raw_bytes / 1e6 / MAX(seconds, 1e-3));
    cli_progress_update(&r->progress, share, detail);
}

static void on_warning(void *context, const char *sentence)
{
    struct reader *r = context;
    cli_progress_end(&r->progress); /* its line makes room; the next update shows it again */
    cli_warn("%s", sentence);
}

/* The one story of a part, *n its bytes, where a piece of it is to be held out; NULL where there
 * are others, but for blank ones. */
static const char *single(const struct reader *r, const struct stories *s, size_t *n)
{
    double fraction = r->o->valid_fraction;
    if (!r->last || r->n_told != 1 || s->n == s->most || fraction <= 0 || fraction >= 1 ||
        has(r, SHARDLIST_TRAIN) || has(r, SHARDLIST_VALID))
        return NULL;
    for (size_t i = 0; i < s->n; i++) {
        const char *raw = stories_raw(s, i, n);
        if (!emit_is_blank(raw, *n))
            return raw;
    }
    return NULL;
}

/* A single text, all there is, is cut: a piece at its end is held out. Where, its normalised form
 * decides. From then on it is known as a whole, too: another part may have it. No other batch is
 * under way. */
static int cut_single(struct reader *r, struct batch *b, struct err *e)
{
    struct stories *s = &b->raw;
    struct batch_worker *w = &r->workers[r->n_workers - 1];
    struct normalize_stats stats = {0};
    size_t n, n_chars, n_blank = s->n - 1;
    bool is_new;
    const char *raw = single(r, s, &n);
    if (!raw)
        return 0;
    if (normalize_text_in(&w->unicode, r->form, raw, n, &w->text, &n_chars, &stats, e))
        return -1;
    const struct text_buf *text = &w->text;
    struct hash128 hash = hash128(text->data, text->n);
    size_t at = holdout_cut(text->data, text->n, r->o->valid_fraction);
    if (storyset_has(&r->seen, hash) || (r->there && there_is_cut(r->there, text->data, text->n)))
        return 0;
    r->uncut = at == text->n;
    r->cut = !r->uncut;
    if (r->uncut)
        return 0;
    stories_clear(s);
    r->rows[INTAKE_TRAIN].n_invalid += stats.n_invalid;
    if (storyset_add(&r->seen, hash, &is_new, e) || storyset_add(&r->wholes, hash, &is_new, e) ||
        stories_add(s, text->data, at, e) || stories_add(s, text->data + at, text->n - at, e))
        return -1;
    for (size_t i = 0; i < n_blank; i++)
        if (stories_add(s, "", 0, e))
            return -1;
    return 0;
}

static int make_batches(void *context, struct pipeline *p, struct err *e)
{
    struct reader *r = context;
    const struct corpus_hooks hooks = {on_story, on_progress, on_warning, r};
    r->pipeline = p;
    if (corpus_read(r->path, &r->o->corpus, &hooks, &r->in->counts, e))
        return -1;
    struct batch *b = pipeline_piece(p);
    if (!b || cut_single(r, b, e))
        return -1;
    pipeline_put(p);
    return 0;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int read_file(struct reader *r, const char *path, bool valid, struct err *e)
{
    const struct pipeline_stages stages = {make_batches, work_on_batch, take_batch, r};
    struct intake *in = r->in;
    r->path = path;
    r->from_valid = valid;
    r->cut = r->uncut = false;
    memset(r->rows, 0, sizeof r->rows);
    if (pipeline_run(&stages, r->batches, r->n_batches, sizeof *r->batches, r->pool, e))
        return -1;
    r->bytes_before += corpus_size(path);
    sources_add(in, path, valid ? INTAKE_VALID : INTAKE_TRAIN, r->rows);
    return 0;
}

static void measure_files(struct reader *r)
{
    const struct prep_options *o = r->o;
    bool known = true;
    for (size_t i = 0; i < o->n_inputs + o->n_valid; i++) {
        uint64_t size = corpus_size(i < o->n_inputs ? o->inputs[i] : o->valid[i - o->n_inputs]);
        known = known && size;
        r->bytes_total += size;
    }
    if (!known)
        r->bytes_total = 0;
}

/* Places are those before anything was moved, and come in ascending order. */
static void on_moved(void *context, uint64_t place, uint64_t n_chars, uint64_t n_bytes)
{
    struct reader *r = context;
    sources_move(r->in, place - r->n_moved++, n_chars, n_bytes);
    r->n_kept[INTAKE_TRAIN]--;
    r->n_kept[INTAKE_VALID]++;
}

/* A hold-out is at least one story of each part, unless it is to be none. */
static int hold_out_one(struct reader *r, struct err *e)
{
    struct intake *in = r->in;
    uint64_t first = r->part ? in->ends[INTAKE_TRAIN][r->part - 1] : 0;
    if (!may_hold_out(r))
        return 0;
    r->n_moved = 0;
    if (holdout_move(&r->holdout, &in->spools[INTAKE_TRAIN], &in->spools[INTAKE_VALID],
                     in->lexicon.n_ended, in->lexicon.words, first, GPT2VOCAB_HEAD_STORIES,
                     on_moved, r, e))
        return -1;
    return r->n_moved ? hold_out(r, r->holdout.hash, e) : 0;
}

/* The inputs of one part, all there are without parts. */
static int end_inputs(struct reader *r, const char *path, struct err *e)
{
    if (hold_out_one(r, e))
        return -1;
    if (r->o->n_parts && !r->there && !n_of_part(r, INTAKE_TRAIN))
        return err_set(e, "%s: no story for training in part '%s'", path, part_name(r));
    for (int split = 0; split < INTAKE_N_SPLITS; split++)
        r->in->ends[split][r->part] = r->in->spools[split].n_stories;
    holdout_release(&r->holdout);
    r->n_told = 0;
    return 0;
}

static int read_files(struct reader *r, struct err *e)
{
    const struct prep_options *o = r->o;
    measure_files(r);
    for (size_t i = 0; i < o->n_inputs; i++) {
        r->part = o->n_parts ? o->input_part[i] : 0;
        r->last = i + 1 == o->n_inputs || (o->n_parts && o->input_part[i + 1] != r->part);
        if (read_file(r, o->inputs[i], false, e) || (r->last && end_inputs(r, o->inputs[i], e)))
            return -1;
    }
    r->last = false;
    for (size_t i = 0; i < o->n_valid; i++) {
        if (read_file(r, o->valid[i], true, e))
            return -1;
        for (size_t part = o->n_parts ? o->valid_part[i] : 0; part < MAX(o->n_parts, (size_t)1);
             part++)
            r->in->ends[INTAKE_VALID][part] = r->in->spools[INTAKE_VALID].n_stories;
    }
    return 0;
}

static int check_counts(const struct reader *r, struct err *e)
{
    const struct prep_options *o = r->o;
    const char *name = strcmp(o->inputs[0], "-") ? o->inputs[0] : "standard input";
    const char *more = o->n_inputs > 1 ? " (nor does any other input)" : "";
    uint64_t n_valid = r->n_kept[INTAKE_VALID];
    if (r->there) /* all may be there already */
        return 0;
    if (!r->n_kept[INTAKE_TRAIN] && n_valid && !o->n_valid)
        return err_set(e,
                       "%s: no story is left for training: --valid-fraction %g holds all %llu out",
                       name, o->valid_fraction, (unsigned long long)n_valid);
    if (!r->n_kept[INTAKE_TRAIN])
        return err_set(e, "%s: holds no story%s", name, more);
    if (!n_valid && o->n_valid)
        return err_set(e, "%s: holds no story for validation", o->valid[0]);
    return 0;
}

static int reader_init(struct reader *r, struct err *e)
{
    size_t n_workers = (size_t)pool_threads(r->pool) + 1, n_batches = pipeline_pieces(r->pool);
    r->workers = calloc(n_workers, sizeof *r->workers);
    r->batches = calloc(n_batches, sizeof *r->batches);
    if (!r->workers || !r->batches)
        return err_memory(e, "out of memory for stories");
    r->n_workers = n_workers;
    for (; r->n_batches < n_batches; r->n_batches++)
        batch_init(&r->batches[r->n_batches]);
    return 0;
}

static void reader_free(struct reader *r)
{
    storyset_release(&r->seen);
    storyset_release(&r->held);
    storyset_release(&r->wholes);
    holdout_release(&r->holdout);
    for (size_t i = 0; i < r->n_workers; i++)
        batch_worker_release(&r->workers[i]);
    for (size_t i = 0; i < r->n_batches; i++)
        batch_release(&r->batches[i]);
    free(r->workers);
    free(r->batches);
    free(r);
}

static int run(struct reader *r, struct err *e)
{
    struct intake *in = r->in;
    if (reader_init(r, e) || lexicon_init(&in->lexicon, r->o->max_words, r->o->output, e))
        return -1;
    for (int i = 0; i < INTAKE_N_SPLITS; i++)
        if (spool_init(&in->spools[i], r->o->output, e))
            return -1;
    if (r->there && there_stories(r->there, &r->seen, &r->held, e))
        return -1;
    cli_progress_start(&r->progress, "reading");
    int rc = read_files(r, e);
    cli_progress_end(&r->progress);
    in->seconds = clock_seconds() - r->progress.start;
    return rc || check_counts(r, e) ? -1 : 0;
}

int intake_run(struct intake *in, const struct prep_options *o, struct vocab_form form,
               enum vocab_pretokens pretokens, struct there *there, struct pool *pool,
               struct err *e)
{
    *in = (struct intake){0};
    for (int i = 0; i < INTAKE_N_SPLITS; i++)
        in->spools[i].fd = -1;
    in->sources = calloc(INTAKE_N_SPLITS * (o->n_inputs + o->n_valid), sizeof *in->sources);
    struct reader *r = calloc(1, sizeof *r);
    if (!r || !in->sources) {
        free(r);
        return err_memory(e, "out of memory for %zu inputs", o->n_inputs + o->n_valid);
    }
    *r = (struct reader){
        .in = in, .o = o, .form = form, .pretokens = pretokens, .there = there, .pool = pool};
    int rc = run(r, e);
    reader_free(r);
    return rc;
}

void intake_release(struct intake *in)
{
    lexicon_release(&in->lexicon);
    for (int i = 0; i < INTAKE_N_SPLITS; i++)
        spool_release(&in->spools[i]);
    free(in->sources);
    in->sources = NULL;
}
