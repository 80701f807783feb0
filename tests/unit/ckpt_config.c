/* Weights of another program: what neither shapes nor metadata tell comes from the config.json
 * beside them, or is an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/ckpt.h"
#include "support/scratch.h"
#include "support/toy.h"

#define GOOD "\"conv_dilation\": [1, 4], \"ternary_weights\": false"

static struct dims dims;
static float *params;

static int setup(void **state)
{
    dims = toy_dims(11, 6, 7, 3, 2, "1,4");
    params = toy_params(&dims, 1);
    return scratch_setup(state);
}

static int teardown(void **state)
{
    free(params);
    return scratch_teardown(state);
}

/* Writes the weights with this metadata, and a head unless NULL; returns the path. */
static const char *weights(const struct st_meta *meta, size_t n_meta, const float *head)
{
    struct err e;
    static struct tensor shapes[32];
    struct st_tensor list[33];
    size_t n = dims_n_tensors(&dims);
    const char *path = scratch_path("model.safetensors");
    for (size_t i = 0; i < n; i++) {
        struct tensor *t = &shapes[i];
        dims_tensor(&dims, i, t);
        list[i] = (struct st_tensor){.name = t->name,
                                     .type = ST_F32,
                                     .rank = t->rank,
                                     .shape = {t->shape[0], t->shape[1], t->shape[2]},
                                     .data = params + t->offset,
                                     .n_bytes = t->n * sizeof(float)};
    }
    list[n] = list[0];
    list[n].name = "head.weight";
    list[n].data = head;
    if (safetensors_write(path, list, n + (head != NULL), meta, n_meta, NULL, &e))
        fail_msg("%s", e.text);
    return path;
}

static void config(const char *text)
{
    scratch_write(scratch_path("config.json"), text, strlen(text));
}

static void expect_refused(const char *path, const char *message)
{
    struct err e;
    struct ckpt c;
    if (ckpt_open(&c, path, &e) == 0)
        fail_msg("opens, expected '%s'", message);
    if (!strstr(e.text, message))
        fail_msg("'%s', expected '%s'", e.text, message);
}

static void test_no_config(void **state)
{
    (void)state;
    unlink(scratch_path("config.json"));
    expect_refused(weights(NULL, 0, NULL), "lack 'dilation', and there is no ");
    static const struct st_meta ours[] = {{"format", "pt"}, {"weights", "ternary"}};
    expect_refused(weights(ours, 2, NULL), "lack 'dilation', and there is no ");
}

static void test_config_tells(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    config("{" GOOD ", \"seq_len\": 77, \"hidden_size\": 6, \"other\": {}}");
    assert_int_equal(ckpt_open(&c, weights(NULL, 0, params), &e), 0);
    assert_true(dims_equal(&c.dims, &dims));
    assert_int_equal(c.dims.T, 77);
    assert_true(!c.ternary && !c.has_state);
    ckpt_close(&c);
    config("{\"model_type\": \"bolt\", \"tie_word_embeddings\": true, \"norm_eps\": 1e-6, "
           "\"conv_dilation\": [4096, 2], \"ternary_weights\": true}");
    assert_int_equal(ckpt_open(&c, scratch_path("model.safetensors"), &e), 0);
    assert_int_equal(c.dims.dilation[0], 4096);
    assert_int_equal(c.dims.dilation[1], 2);
    assert_int_equal(c.dims.T, 256);
    assert_true(c.ternary && !c.dims.embed_norm);
    ckpt_close(&c);
    config("{" GOOD ", \"mixers\": null, \"heads\": null, \"embed_norm\": true}");
    assert_int_equal(ckpt_open(&c, scratch_path("model.safetensors"), &e), 0);
    assert_true(c.dims.embed_norm == 1 && c.dims.mixer[1] == DIMS_CONV);
    ckpt_close(&c);
}

/* Metadata with the dilation are whole: config.json is not looked at. */
static void test_metadata_come_first(void **state)
{
    (void)state;
    struct err e;
    struct ckpt c;
    config("not read");
    static const struct st_meta meta[] = {{"dilation", "3"}};
    assert_int_equal(ckpt_open(&c, weights(meta, 1, NULL), &e), 0);
    assert_int_equal(c.dims.dilation[1], 3);
    assert_false(c.ternary);
    ckpt_close(&c);
}

static void test_bad_configs(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "config.json: not valid JSON"},
        {"[]", "config.json: not a JSON object"},
        {"{\"a\": 1, \"a\": 2}", "config.json: not valid JSON"},
        {"{}", "lacks 'conv_dilation'"},
        {"{\"ternary_weights\": true}", "lacks 'conv_dilation'"},
        {"{\"conv_dilation\": [1, 4]}", "lacks 'ternary_weights'"},
        {"{\"conv_dilation\": 1, \"ternary_weights\": true}", "for each of the 2 blocks"},
        {"{\"conv_dilation\": [1], \"ternary_weights\": true}", "for each of the 2 blocks"},
        {"{\"conv_dilation\": [1, 1, 1], \"ternary_weights\": true}", "for each of the 2 blocks"},
        {"{\"conv_dilation\": [1, 2.5], \"ternary_weights\": true}", "an invalid number"},
        {"{\"conv_dilation\": [1, \"2\"], \"ternary_weights\": true}", "an invalid number"},
        {"{\"conv_dilation\": [1, 4294967297], \"ternary_weights\": true}", "an invalid number"},
        {"{\"conv_dilation\": [1, 0], \"ternary_weights\": true}", "an invalid number"},
        {"{\"conv_dilation\": [1, 4097], \"ternary_weights\": true}", "dilation out of range"},
        {"{\"conv_dilation\": [1, 4], \"ternary_weights\": 1}", "neither true nor false"},
        {"{" GOOD ", \"seq_len\": 0}", "seq_len is not a valid number"},
        {"{" GOOD ", \"seq_len\": 65537}", "sequence length out of range"},
        {"{" GOOD ", \"model_type\": \"lfm2\"}", "found model_type 'lfm2'"},
        {"{" GOOD ", \"model_type\": 3}", "another kind"},
        {"{" GOOD ", \"tie_word_embeddings\": false}", "a head of its own"},
        {"{" GOOD ", \"norm_eps\": 1e-5}", "another norm_eps (found 1e-05"},
        {"{" GOOD ", \"norm_eps\": \"1e-6\"}", "another norm_eps"},
        {"{" GOOD ", \"mixers\": [\"conv\"]}", "mixers is not a list"},
        {"{" GOOD ", \"mixers\": [\"conv\", \"rnn\"]}", "mixers has an unknown one (found rnn)"},
        {"{" GOOD ", \"mixers\": [\"conv\", \"attention\"]}", "heads is not a valid number"},
        {"{" GOOD ", \"mixers\": [\"conv\", \"attention\"], \"heads\": 2, \"key_width\": 3, "
         "\"window\": 0}",
         "window is not a valid number"},
        {"{" GOOD ", \"embed_norm\": 1}", "embed_norm is neither true nor false"},
        {"{" GOOD ", \"vocab_size\": 12}", "vocab_size is not what"},
        {"{" GOOD ", \"hidden_size\": 7}", "hidden_size is not what"},
        {"{" GOOD ", \"num_hidden_layers\": 3}", "num_hidden_layers is not what"},
        {"{" GOOD ", \"intermediate_size\": 8}", "intermediate_size is not what"},
        {"{" GOOD ", \"conv_kernel\": 4}", "conv_kernel is not what"},
    };
    (void)weights(NULL, 0, NULL);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        config(bad[i].text);
        expect_refused(scratch_path("model.safetensors"), bad[i].message);
    }
}

static void test_head_of_its_own(void **state)
{
    (void)state;
    config("{" GOOD "}");
    float *head = toy_params(&dims, 2);
    expect_refused(weights(NULL, 0, head), "'head.weight' is not the embedding");
    free(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_config),           cmocka_unit_test(test_config_tells),
        cmocka_unit_test(test_metadata_come_first), cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_head_of_its_own),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
