#include "prep/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "corpus/cmdline.h"
#include "os/file.h"
#include "prep/bpetrain.h"
#include "prep/partlist.h"

static const char *output, *report, *inspect, *vocab, *vocab_from, *gpt2_vocab, *gpt2_merges;
static struct cmdline reading;
static struct cli_list valid, part;
static struct partlist parts;
static double valid_fraction = 0.01;
static long long vocab_size, superwords;
static int preset;
static int threads;
static long long plan_threads;
static int tokenizer = VOCAB_BPE, normalize = VOCAB_NORM_NFC;
static long long shard_tokens, max_words = 4000000;
static bool keep_duplicates, append;
static struct {
    bool shard_tokens, valid_fraction, preset, tokenizer, vocab_size, superwords, normalize;
} given;

static const char *const preset_names[] = {"small", "swift", NULL};
static const struct preset {
    long long vocab_size, superwords;
} presets[] = {{10000, 0}, {4096, 0}};

static const char *const tokenizers[] = {"bpe", "gpt2", NULL};
static const char *const normalizations[] = {"none", "nfc", "nfkc", NULL};

static const struct cli_option options[] = {
    CLI_HEADING("Output"),
    CLI_TEXT('o', "output", &output, "DIR",
             "folder for vocab.db, train.shard and valid.shard; made if missing"),
    CLI_INT(
        0, "shard-tokens", &shard_tokens, 1, 1e15, "N",
        "write several shards, train-00000.shard and so on, of at most N tokens each (unless one "
        "story has more)",
        .given = &given.shard_tokens),
    CLI_FLAG(0, "append", &append,
             "add the stories to what prep has made in DIR, under its vocabulary; those that are "
             "there already are dropped as duplicates"),
    CLI_LIST(0, "part", &part, "NAME=FILE",
             "a corpus of its own among others under the one vocabulary, in place of INPUT; may be "
             "given many times, for a part too"),
    CLI_HEADING("Validation"),
    CLI_LIST(0, "valid", &valid, "FILE",
             "validation stories, with --part NAME=FILE; may be given many times"),
    CLI_REAL(0, "valid-fraction", &valid_fraction, 0, 1, "F",
             "without --valid: share of the stories to hold out, chosen by a hash of their text "
             "(default "
             "0.01)",
             .given = &given.valid_fraction),
    CLI_HEADING("Vocabulary"),
    CLI_CHOICE(0, "preset", &preset, preset_names, "NAME",
               "vocabulary to learn: small, of 10,000 tokens, or swift, of 4,096; options given "
               "besides come first (default small)",
               .given = &given.preset),
    CLI_CHOICE(0, "tokenizer", &tokenizer, tokenizers, "KIND",
               "bpe: byte-level BPE learned from the stories; gpt2: the most frequent tokens of "
               "GPT-2, the "
               "rest unknown (default bpe)",
               .given = &given.tokenizer),
    CLI_INT(0, "vocab-size", &vocab_size, VOCAB_N_SPECIAL + 1, VOCAB_MAX_TOKENS, "N",
            "tokens in the vocabulary, at least 260 with bpe (default by --preset, fewer where the "
            "stories have too few distinct pieces)",
            .given = &given.vocab_size),
    CLI_INT(0, "superwords", &superwords, 0, VOCAB_MAX_TOKENS - BPETRAIN_MIN_SIZE, "N",
            "tokens of these that are learned last, on whole sentences, so that they may be "
            "several words (default by --preset)",
            .given = &given.superwords),
    CLI_TEXT(0, "gpt2-vocab", &gpt2_vocab, "FILE", "GPT-2's vocab.json, for --tokenizer gpt2"),
    CLI_TEXT(0, "gpt2-merges", &gpt2_merges, "FILE", "GPT-2's merges.txt, for --tokenizer gpt2"),
    CLI_TEXT(0, "vocab", &vocab, "DB", "use this vocab.db instead of learning one"),
    CLI_TEXT(0, "vocab-from", &vocab_from, "FILE",
             "use the vocabulary of this tokenizer.json of Hugging Face's tokenizers; --vocab-size "
             "keeps the first N tokens"),
    CLI_HEADING("Text"),
    CLI_CHOICE(0, "normalize", &normalize, normalizations, "FORM",
               "Unicode normalisation: none, nfc or nfkc (default nfc)", .given = &given.normalize),
    CLI_FLAG(0, "keep-duplicates", &keep_duplicates,
             "keep stories that are exactly equal to an earlier one"),
    CMDLINE_ROWS(reading),
    CLI_HEADING("Looking at data"),
    CLI_TEXT(0, "report", &report, "DIR",
             "describe a folder that prep has made: its stories, their lengths, its commonest and "
             "rarest tokens"),
    CLI_TEXT(
        0, "inspect", &inspect, "TEXT",
        "show the tokens of a text, by the vocabulary of --vocab, which may be a folder here, or "
        "--vocab-from"),
    CLI_HEADING("Machine"),
    CLI_INT(0, "max-words", &max_words, 1000, INT32_MAX, "N",
            "distinct words kept in memory while text is read, at about 150 bytes each; at N the "
            "rarest are dropped, and do not count in a vocabulary to learn (default 4000000)"),
    CLI_THREADS(&threads, "worker threads; the results do not depend on them (default: the "
                          "processors this process may "
                          "use)"),
    CLI_PLAN_THREADS(&plan_threads),
};

static const struct cli_tool tool = {
    .name = "prep",
    .synopsis = "[options] -o DIR INPUT... | -o DIR --part NAME=FILE... | --report DIR | --inspect "
                "TEXT --vocab DB",
    .summary = "Turns stories into token shards and a vocabulary database.",
    .epilog = "INPUT is text, where <|endoftext|> ends a story, JSON (objects or strings, in an\n"
              "array or one after another), or a CSV or TSV table with a header; plain, .gz,\n"
              ".bz2, .xz or .zst, or in .tar or .zip archives; - is standard input.\n\n"
              "  prep -o data --valid TinyStories-valid.txt TinyStories-train.txt\n"
              "  zcat more/*.gz | prep -o data --vocab-size 4096 -\n",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .has_json = true,
};

/* A missing file, or a folder for a file, is better found now than after an hour. */
static void check_readable(const char *path)
{
    struct err e;
    if (!strcmp(path, "-"))
        return;
    if (access(path, R_OK) != 0) {
        err_errno(&e, "%s: cannot open", path);
        cli_fail(&e);
    }
    if (file_is_folder(path))
        cli_die("%s: is a directory, expected a file", path);
}

static void check_files(const char *const *paths, size_t n, size_t *n_stdin)
{
    for (size_t i = 0; i < n; i++) {
        *n_stdin += !strcmp(paths[i], "-");
        check_readable(paths[i]);
    }
    if (*n_stdin > 1)
        cli_usage("standard input can only be read once");
}

/* Options that only look at data take no inputs and write nothing. */
static void check_looking(size_t n_inputs)
{
    static const char *const of_report[] = {NULL};
    static const char *const of_inspect[] = {"vocab", "vocab-from", "vocab-size", "normalize",
                                             NULL};
    if (n_inputs)
        cli_usage("--%s takes no INPUT", report ? "report" : "inspect");
    if (report)
        cli_allow_only("report", of_report);
    else
        cli_allow_only("inspect", of_inspect);
    if (inspect && !vocab && !vocab_from)
        cli_usage("--inspect needs --vocab or --vocab-from");
}

static void check_superwords(void)
{
    if (superwords > vocab_size - BPETRAIN_MIN_SIZE)
        cli_usage("--superwords: expected at most %lld of %lld tokens, found %lld",
                  vocab_size - BPETRAIN_MIN_SIZE, vocab_size, superwords);
}

/* --vocab may name the folder, whose parts are then counted separately. */
static const char *inspected_folder(void)
{
    char *path;
    const char *folder = vocab;
    if (!inspect || !vocab || !file_is_folder(vocab))
        return NULL;
    if (asprintf(&path, "%s/vocab.db", folder) < 0)
        cli_die("out of memory");
    vocab = path; /* lives until exit */
    return folder;
}

/* The folder has its vocabulary already. */
static void check_append(void)
{
    static char *path;
    struct err e;
    if (vocab || vocab_from || given.tokenizer || given.vocab_size || given.preset ||
        given.superwords || gpt2_vocab || gpt2_merges)
        cli_usage("--append takes the vocabulary of the folder, and no option of another");
    if (asprintf(&path, "%s/vocab.db", output) < 0)
        cli_die("out of memory");
    if (access(path, R_OK) != 0) {
        err_errno(&e, "%s: cannot open", path);
        cli_die("%s; --append adds to a folder that prep has made", e.text);
    }
    vocab = path;
}

static void check_vocabulary_options(void)
{
    bool gpt2 = tokenizer == VOCAB_GPT2, gpt2_files = gpt2_vocab || gpt2_merges;
    bool learned = given.preset || given.superwords;
    if (vocab && (given.tokenizer || given.vocab_size || learned || gpt2_files))
        cli_usage("--vocab takes an existing vocabulary; --preset, --tokenizer, --vocab-size, "
                  "--superwords, --gpt2-vocab and --gpt2-merges make a new one");
    if (vocab_from && (vocab || given.tokenizer || given.normalize || learned || gpt2_files))
        cli_usage("--vocab-from takes an existing vocabulary; --vocab, --preset, --tokenizer, "
                  "--normalize, --superwords, --gpt2-vocab and --gpt2-merges ask for another");
    if (gpt2 && learned)
        cli_usage("--preset and --superwords need --tokenizer bpe");
    if (gpt2 && !(gpt2_vocab && gpt2_merges))
        cli_usage("--tokenizer gpt2 needs --gpt2-vocab and --gpt2-merges");
    if (!gpt2 && gpt2_files)
        cli_usage("--gpt2-vocab and --gpt2-merges need --tokenizer gpt2");
    if (!given.vocab_size)
        vocab_size = presets[preset].vocab_size;
    if (!given.superwords && !gpt2)
        superwords = presets[preset].superwords;
    if (vocab || vocab_from)
        return;
    if (!gpt2 && vocab_size < BPETRAIN_MIN_SIZE)
        cli_usage("--vocab-size: expected at least %d with --tokenizer bpe, found %lld",
                  BPETRAIN_MIN_SIZE, vocab_size);
    if (!gpt2)
        check_superwords();
}

void prep_options_parse(struct prep_options *o, int argc, char **argv)
{
    static const char *const no_plan[] = {"threads", NULL};
    struct err e;
    size_t n_inputs, n_stdin = 0;
    char **inputs = cli_parse(&tool, argc, argv, &n_inputs);
    bool looks = report || inspect;
    const char *inspect_data = inspected_folder();
    if (looks)
        check_looking(n_inputs);
    if (plan_threads)
        cli_refuse("plan-threads", no_plan);
    if (!looks && !output)
        cli_usage("no -o DIR given");
    if (part.n && n_inputs)
        cli_usage("INPUT '%s' is of no part: with --part every file is NAME=FILE", inputs[0]);
    if (part.n) {
        if (partlist_parse(&parts, &part, &valid, &e))
            cli_fail(&e);
        inputs = (char **)parts.inputs;
        n_inputs = parts.n_inputs;
        valid.items = parts.valid;
    }
    if (!looks && !n_inputs)
        cli_usage("no INPUT given");
    if (valid.n && given.valid_fraction)
        cli_usage("--valid and --valid-fraction exclude each other");
    if (append && !looks)
        check_append();
    check_vocabulary_options();
    check_files((const char *const *)inputs, n_inputs, &n_stdin);
    check_files(valid.items, valid.n, &n_stdin);
    const char *const others[] = {vocab, vocab_from, gpt2_vocab, gpt2_merges};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (others[i])
            check_readable(others[i]);
    *o = (struct prep_options){
        .report = report,
        .inspect = inspect,
        .inspect_data = inspect_data,
        .output = output,
        .append = append,
        .shard_tokens = (uint64_t)shard_tokens,
        .inputs = (const char *const *)inputs,
        .n_inputs = n_inputs,
        .parts = parts.names,
        .n_parts = parts.n,
        .input_part = parts.input_part,
        .valid_part = parts.valid_part,
        .valid = valid.items,
        .n_valid = valid.n,
        .valid_fraction = valid.n ? 0 : valid_fraction,
        .tokenizer = (enum vocab_kind)tokenizer,
        .vocab_size = (uint32_t)vocab_size,
        .superwords = vocab || vocab_from ? 0 : (uint32_t)superwords,
        .vocab_size_given = given.vocab_size,
        .gpt2_vocab = gpt2_vocab,
        .gpt2_merges = gpt2_merges,
        .vocab = vocab ? vocab : vocab_from,
        .vocab_is_json = vocab_from != NULL,
        .form = {(enum vocab_normalize)normalize, VOCAB_LINES_LF},
        .normalize_given = given.normalize,
        .keep_duplicates = keep_duplicates,
        .max_words = (size_t)max_words,
        .threads = threads,
        .plan_threads = (int)plan_threads,
    };
    if (cmdline_options(&reading, &o->corpus, &e))
        cli_fail(&e);
    o->corpus.ahead = !plan_threads; /* a plan is of one thread's time */
}
