#include "train/choose.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "os/machine.h"
#include "train/recipe.h"

enum { LARGE_CPUS = 8 };
static const uint64_t LARGE_MEMORY = (uint64_t)32 * 1000 * 1000 * 1000;
static const double COSINE_MIN_LR = 1e-5;

enum preset_kind choose_preset(const struct options *o, const struct dims *had)
{
    struct dims large;
    dims_large(&large, 0);
    if (o->given.preset)
        return (enum preset_kind)o->preset;
    if (!had)
        return machine_processors() >= LARGE_CPUS && machine_memory() >= LARGE_MEMORY
                   ? PRESET_LARGE
                   : PRESET_SMALL;
    if (!dims_is_v4(had))
        return PRESET_SWIFT;
    return had->D >= large.D ? PRESET_LARGE : PRESET_SMALL;
}

/* An error in the value of an option. */
static int bad_value(const char *option, const struct err *fault, struct err *e)
{
    return err_usage(e, "--%s: %s", option, fault->text);
}

/* What attention makes meaningless: one distance for all blocks is meant for those that have taps.
 */
static int check_taps(const struct dims *d, const struct options *o, struct err *e)
{
    bool is_list = o->dilation && strchr(o->dilation, ',');
    int n_taps = 0;
    for (int l = 0; l < d->L; l++) {
        if (dims_has(d, TENSOR_TAPS, l))
            n_taps++;
        else if (is_list && d->dilation[l] != 1)
            return err_usage(e,
                             "--dilation %s: block %d has attention and no taps (expected 1 there)",
                             o->dilation, l + 1);
    }
    if (n_taps == 0 && (o->dilation || o->given.kernel))
        return err_usage(e, "--dilation and --kernel are of a convolution, which no block has "
                            "(--mixers)");
    return 0;
}

int choose_dims(struct dims *d, const struct options *o, const struct dims *base, struct err *e)
{
    struct err fault;
    *d = *base;
    if (o->given.preset)
        preset_table[o->preset].dims(d, base->V);
    d->D = o->given.dim ? (int)o->dim : d->D;
    d->L = o->given.blocks ? (int)o->blocks : d->L;
    if (o->given.preset && o->preset == PRESET_SWIFT)
        dims_middle_attention(d);
    d->H = o->given.hidden ? (int)o->hidden : d->H;
    d->K = o->given.kernel ? (int)o->kernel : d->K;
    d->T = o->given.seq_len ? (int)o->seq_len : d->T;
    if (o->dilation && dims_parse_dilation(d, o->dilation, &fault))
        return bad_value("dilation", &fault, e);
    if (o->mixers && dims_parse_mixers(d, o->mixers, &fault))
        return bad_value("mixers", &fault, e);
    if (check_taps(d, o, e))
        return -1;
    d->embed_norm |= o->embed_norm;
    d->heads = o->given.heads ? (int)o->heads : d->heads;
    d->key_width = o->given.key_width ? (int)o->key_width : d->key_width;
    d->window = o->given.window ? (int)o->window : d->window;
    dims_complete(d);
    if ((o->given.heads || o->given.key_width || o->given.window) && d->window == 0)
        return err_usage(e, "--heads, --key-width and --window are of attention, which no block "
                            "has (--mixers)");
    return dims_check(d, &fault) ? err_usage(e, "%s", fault.text) : 0; /* `base` is a model */
}

static const struct recipe *recipe_named(const char *name)
{
    const struct recipe *r = recipe_table;
    while (strcmp(r->name, name) != 0)
        r++;
    return r;
}

int choose_settings(struct ckpt_settings *s, const struct options *o, enum preset_kind preset,
                    struct err *e)
{
    const struct recipe *r =
        o->given.recipe ? &recipe_table[o->recipe] : recipe_named(preset_table[preset].recipe);
    const struct recipe_rates *rates = &r->rates[preset];
    int shape = o->given.schedule ? o->schedule : r->schedule;
    *s = (struct ckpt_settings){
        .seed = (uint64_t)o->seed,
        .batch = o->given.batch ? (uint64_t)o->batch : rates->batch,
        .accum = o->given.accum ? (uint64_t)o->accum : rates->accum,
        .accum_sum = "tree",
        .lr = o->given.lr ? o->lr : rates->lr,
    };
    if (shape == SCHEDULE_COSINE && o->given.decay_share)
        return err_usage(e, "--decay-share goes with --schedule linear");
    if (shape == SCHEDULE_COSINE)
        s->min_lr = COSINE_MIN_LR;
    else
        s->decay_share = o->given.decay_share ? o->decay_share : r->decay_share;
    snprintf(s->recipe, sizeof s->recipe, "%s", r->name);
    snprintf(s->windows, sizeof s->windows, "%s",
             batches_names[o->given.windows ? o->windows : r->windows]);
    snprintf(s->schedule, sizeof s->schedule, "%s", schedule_names[shape]);
    snprintf(s->optimiser, sizeof s->optimiser, "%s",
             o->given.optimiser ? optim_kinds[o->optimiser]->name : r->optimiser);
    return 0;
}

/* ---- the optimiser's ------------------------------------------------------------------------- */

static int set(struct optim_settings *q, const char *key, double value, struct err *e)
{
    double *at = optim_value(q, key);
    if (!at)
        return err_usage(e, "the optimiser %s has no %s", q->kind->name, key);
    *at = value;
    return 0;
}

/* half_life in tokens; 0 leaves the beta as it is. */
static int set_beta(struct optim_settings *q, const char *key, double half_life,
                    const struct ckpt_settings *s, int T, struct err *e)
{
    if (half_life == 0)
        return 0;
    double tokens = (double)(s->batch * s->accum) * T;
    double beta = fmath_exp(-tokens / half_life * M_LN2);
    if (!(beta < OPTIM_BETA_BELOW))
        return err_usage(e,
                         "--%s-tokens: too long for steps of %.0f tokens (found %g, expected less "
                         "than %.3g)",
                         key, tokens, half_life, tokens * M_LN2 / (1 - OPTIM_BETA_BELOW));
    return set(q, key, beta, e);
}

int choose_betas(struct optim_settings *q, const struct options *o, const struct ckpt_settings *s,
                 int T, struct err *e)
{
    double beta1 = o->given.beta1_tokens ? o->beta1_tokens : 0;
    double beta2 = o->given.beta2_tokens ? o->beta2_tokens : 0;
    return set_beta(q, "beta1", beta1, s, T, e) || set_beta(q, "beta2", beta2, s, T, e) ? -1 : 0;
}

int choose_set(struct optim_settings *q, const struct options *o, struct err *e)
{
    struct err fault;
    for (size_t i = 0; i < o->set.n; i++)
        if (optim_set(q, o->set.items[i], &fault))
            return bad_value("set", &fault, e);
    return 0;
}

int choose_optim(struct optim_settings *q, const struct options *o, const struct ckpt_settings *s,
                 int T, struct err *e)
{
    const struct recipe *r = recipe_named(s->recipe);
    *q = optim_defaults(optim_find(s->optimiser));
    /* settings that the chosen optimiser does not have are ignored */
    bool other = strcmp(s->optimiser, r->optimiser) != 0;
    for (const struct recipe_setting *i = r->settings; i->key; i++)
        if (!(other && !optim_value(q, i->key)) && set(q, i->key, i->value, e))
            return -1;
    if (set_beta(q, "beta1", r->beta1_tokens, s, T, e) ||
        set_beta(q, "beta2", r->beta2_tokens, s, T, e))
        return -1;
    return choose_betas(q, o, s, T, e) || choose_set(q, o, e) ? -1 : 0;
}
