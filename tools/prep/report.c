#include "prep/report.h"

#include <inttypes.h>

#include "cli/cli.h"
#include "prep/sources.h"

/* A share that is 0 of nothing. */
static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double unk_share(const struct encode_counts *c)
{
    return ratio((double)c->n_unk, (double)(c->n_tokens - c->n_stories));
}

static void say_counts(const char *label, uint64_t train, uint64_t valid)
{
    char a[32], b[32];
    cli_say("  %-22s %16s %16s\n", label, cli_count_text(a, train), cli_count_text(b, valid));
}

static void say_shares(const char *label, double train, double valid, bool has_valid)
{
    if (has_valid)
        cli_say("  %-22s %16.4f %16.4f\n", label, train, valid);
    else
        cli_say("  %-22s %16.4f %16s\n", label, train, "-");
}

static void warn_of_validation(const struct prep *p)
{
    uint64_t n = sources_total(&p->intake, INTAKE_VALID).n_stories;
    for (size_t i = 0; i < p->o->n_parts; i++)
        if (n && !p->parts[INTAKE_VALID][i].n_stories && !p->o->append)
            cli_warn("part %s has no validation stories: training will not measure it",
                     p->o->parts[i]);
    if (2 * p->intake.n_overlap > n)
        cli_warn(
            "more than half of the validation stories also stand in training: what they measure "
            "is memory");
}

static void say_parts(const struct prep *p)
{
    char a[32], b[32], c[32];
    for (size_t i = 0; i < p->o->n_parts; i++) {
        const struct prep_part *t = &p->parts[INTAKE_TRAIN][i], *v = &p->parts[INTAKE_VALID][i];
        cli_say("  part %-17s %16s %16s stories", p->o->parts[i], cli_count_text(a, t->n_stories),
                cli_count_text(b, v->n_stories));
        cli_say(", %s tokens\n", cli_count_text(c, t->n_tokens));
    }
}

/* What the folder holds now. */
static void say_added(const struct prep *p)
{
    char stories[32], tokens[32];
    const struct shardset *s = &p->there.sets[SHARDLIST_TRAIN];
    const struct encode_counts *c = &p->counts[INTAKE_TRAIN];
    if (p->list.n == p->there.list.n) {
        cli_say("%s: nothing is new, and the folder stays as it is\n", p->o->output);
        return;
    }
    cli_say("%s: has %s training stories now, ", p->o->output,
            cli_count_text(stories, s->n_stories + c->n_stories));
    cli_say("%s tokens, in %zu files with those of validation\n",
            cli_count_text(tokens, s->n_tokens + c->n_tokens), p->list.n);
}

static void say_words(const struct lexicon *l)
{
    char n[32], most[32];
    cli_say("%s distinct words", cli_count_text(n, l->words->n));
    if (l->n_ended)
        cli_say("; rare ones were dropped %zu times, where there were %s", l->n_ended,
                cli_count_text(most, l->most));
    cli_say("\n");
}

void report_table(const struct prep *p)
{
    struct vocabdb_source t = sources_total(&p->intake, INTAKE_TRAIN);
    struct vocabdb_source v = sources_total(&p->intake, INTAKE_VALID);
    const struct encode_counts *ct = &p->counts[INTAKE_TRAIN], *cv = &p->counts[INTAKE_VALID];
    bool has_valid = v.n_stories > 0;
    char buf[32];
    cli_say("  %-22s %16s %16s\n", "", "training", "validation");
    say_counts("stories", t.n_stories, v.n_stories);
    say_counts("characters", t.n_chars, v.n_chars);
    say_counts("bytes", t.n_bytes, v.n_bytes);
    say_counts("tokens", ct->n_tokens, cv->n_tokens);
    say_shares("characters a token", ratio((double)t.n_chars, (double)ct->n_tokens),
               ratio((double)v.n_chars, (double)cv->n_tokens), has_valid);
    if (p->vocab.kind == VOCAB_GPT2) {
        say_counts("unknown tokens", ct->n_unk, cv->n_unk);
        say_shares("coverage, %", 100 * (1 - unk_share(ct)), 100 * (1 - unk_share(cv)), has_valid);
    }
    say_counts("duplicates dropped", t.n_duplicates, v.n_duplicates);
    say_counts("empty stories dropped", t.n_empty, v.n_empty);
    say_counts("invalid sequences", t.n_invalid, v.n_invalid);
    if (p->intake.counts.n_missing)
        cli_say("  %-22s %16s\n", "records without field",
                cli_count_text(buf, p->intake.counts.n_missing));
    if (p->intake.counts.n_passed_over)
        cli_say("  %-22s %16s\n", "members passed over",
                cli_count_text(buf, p->intake.counts.n_passed_over));
    if (p->o->n_valid)
        cli_say("  %-22s %16s %16s\n", "also in training", "",
                cli_count_text(buf, p->intake.n_overlap));
    say_parts(p);
    if (p->o->append)
        say_added(p);
    cli_say("%s: vocabulary of %s tokens (%s), ", p->o->output,
            cli_count_text(buf, p->vocab.n_tokens), vocab_kind_names[p->vocab.kind]);
    say_words(&p->intake.lexicon);
    cli_say("%.1f MB/s read, ", ratio((double)p->intake.raw_bytes / 1e6, p->intake.seconds));
    cli_say("%s in all ", cli_duration_text(buf, p->seconds));
    cli_say("(reading %s, ", cli_duration_text(buf, p->intake.seconds));
    cli_say("learning %s, ", cli_duration_text(buf, p->learn_seconds));
    cli_say("writing %s)\n", cli_duration_text(buf, p->encode_seconds));
    warn_of_validation(p);
    if (!has_valid && !p->o->append)
        cli_say("no story was held out for validation: training will have nothing to measure\n");
}

static void put_fingerprint(struct cli_json *j, const char *key, uint64_t value)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016" PRIx64, value);
    cli_json_text(j, key, hex);
}

static void put_source(struct cli_json *j, const struct vocabdb_source *s)
{
    cli_json_uint(j, "n_stories", s->n_stories);
    cli_json_uint(j, "n_duplicates", s->n_duplicates);
    cli_json_uint(j, "n_empty", s->n_empty);
    cli_json_uint(j, "n_invalid", s->n_invalid);
    cli_json_uint(j, "n_chars", s->n_chars);
    cli_json_uint(j, "n_bytes", s->n_bytes);
}

static void put_split(struct cli_json *j, const struct prep *p, enum intake_split split)
{
    struct vocabdb_source s = sources_total(&p->intake, split);
    const struct encode_counts *c = &p->counts[split];
    cli_json_object(j, intake_split_names[split]);
    put_source(j, &s);
    cli_json_uint(j, "n_tokens", c->n_tokens);
    cli_json_uint(j, "n_unk", c->n_unk);
    cli_json_real(j, "unk_share", unk_share(c));
    cli_json_real(j, "coverage", 1 - unk_share(c));
    cli_json_real(j, "tokens_per_char", ratio((double)c->n_tokens, (double)s.n_chars));
    put_fingerprint(j, "fingerprint", p->fingerprints[split]);
    cli_json_object_end(j);
}

static void put_parts(struct cli_json *j, const struct prep *p)
{
    cli_json_array(j, "parts");
    for (size_t i = 0; i < p->o->n_parts; i++) {
        cli_json_object(j, NULL);
        cli_json_text(j, "name", p->o->parts[i]);
        for (int split = 0; split < INTAKE_N_SPLITS; split++) {
            cli_json_object(j, intake_split_names[split]);
            cli_json_uint(j, "n_stories", p->parts[split][i].n_stories);
            cli_json_uint(j, "n_tokens", p->parts[split][i].n_tokens);
            cli_json_object_end(j);
        }
        cli_json_object_end(j);
    }
    cli_json_array_end(j);
}

void report_json(const struct prep *p)
{
    struct cli_json j;
    cli_json_begin(&j, stdout);
    cli_json_text(&j, "output", p->o->output);
    cli_json_text(&j, "tokenizer", vocab_kind_names[p->vocab.kind]);
    cli_json_text(&j, "normalize", vocab_normalize_names[p->vocab.form.normalize]);
    cli_json_text(&j, "lines", vocab_lines_names[p->vocab.form.lines]);
    cli_json_text(&j, "pretokens", vocab_pretokens_names[p->vocab.pretokens]);
    cli_json_uint(&j, "vocab_size", p->vocab.n_tokens);
    put_fingerprint(&j, "vocab_fingerprint", vocab_fingerprint(&p->vocab));
    cli_json_uint(&j, "n_words", p->intake.lexicon.words->n);
    cli_json_uint(&j, "n_prunings", p->intake.lexicon.n_ended);
    cli_json_uint(&j, "n_overlap", p->intake.n_overlap);
    cli_json_uint(&j, "n_missing", p->intake.counts.n_missing);
    cli_json_uint(&j, "n_passed_over", p->intake.counts.n_passed_over);
    for (int split = 0; split < INTAKE_N_SPLITS; split++)
        put_split(&j, p, (enum intake_split)split);
    cli_json_uint(&j, "n_shards", p->list.n);
    put_parts(&j, p);
    cli_json_array(&j, "sources");
    for (size_t i = 0; i < p->intake.n_sources; i++) {
        cli_json_object(&j, NULL);
        cli_json_text(&j, "name", p->intake.sources[i].name);
        cli_json_text(&j, "split", p->intake.sources[i].split);
        put_source(&j, &p->intake.sources[i]);
        cli_json_object_end(&j);
    }
    cli_json_array_end(&j);
    cli_json_real(&j, "read_mb_per_s", ratio((double)p->intake.raw_bytes / 1e6, p->intake.seconds));
    cli_json_real(&j, "seconds", p->seconds);
    cli_json_end(&j);
}
