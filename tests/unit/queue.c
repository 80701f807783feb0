/* The queue of stories: order, even shares, and an end for all after a failure. Nothing is shown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "os/threads.h"
#include "sample/queue.h"

static const struct stop no_stop;

struct fixture {
    struct prompts prompts;
    struct output output;
    struct queue queue;
    bool got_story[3]; /* by thread: asserts belong to the main thread */
    bool going[3];
};

static void open_queue(struct fixture *f, const char *const *items, size_t n, int fd,
                       size_t n_tellers)
{
    struct err e;
    prompts_init(&f->prompts, items, n, fd, 1);
    output_init(&f->output, true, false, 0);
    assert_int_equal(queue_init(&f->queue, &f->prompts, &f->output, &no_stop, n_tellers, &e), 0);
}

static void close_queue(struct fixture *f)
{
    queue_release(&f->queue);
    output_release(&f->output);
    prompts_release(&f->prompts);
}

static struct story *take(struct fixture *f, size_t teller, size_t n_mine, const char *text)
{
    struct story *s = queue_take(&f->queue, teller, n_mine);
    assert_non_null(s);
    assert_int_equal(s->raw.n, strlen(text));
    assert_memory_equal(s->raw.data, text, s->raw.n);
    return s;
}

static void test_stories_are_shared_evenly_and_in_order(void **context)
{
    (void)context;
    static const char *const items[] = {"a", "b", "c", "d", "e"};
    struct fixture f;
    struct story *s[5];
    bool alone;
    open_queue(&f, items, 5, -1, 2);
    s[0] = take(&f, 1, 0, "a");
    assert_true(queue_show(&f.queue, 1, &alone));
    assert_true(alone);
    s[1] = take(&f, 1, 1, "b");
    s[2] = take(&f, 1, 2, "c");
    assert_null(queue_take(&f.queue, 1, 3)); /* its share of five */
    s[3] = take(&f, 0, 0, "d");
    s[4] = take(&f, 0, 1, "e");
    assert_null(queue_take(&f.queue, 0, 2));
    assert_true(queue_show(&f.queue, 0, &alone));
    assert_false(alone);
    for (size_t i = 5; i-- > 0;) { /* the last first */
        story_finish(s[i], STORY_EOS);
        assert_int_equal(f.output.n_tokens, 0);
        queue_done(&f.queue, s[i]);
    }
    assert_int_equal(f.output.n_tokens, 5); /* all shown once the first had ended */
    assert_null(queue_take(&f.queue, 0, 0));
    assert_null(queue_take(&f.queue, 1, 0));
    close_queue(&f);
}

/* After a story that does not end, only so many ended ones are kept. */
static void test_ended_stories_are_bounded(void **context)
{
    (void)context;
    static const char *items[QUEUE_ENDED + 3];
    struct fixture f;
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        items[i] = "a";
    open_queue(&f, items, ARRAY_LEN(items), -1, 2);
    struct story *first = take(&f, 0, 0, "a");
    for (size_t i = 0; i < QUEUE_ENDED; i++) {
        struct story *s = take(&f, 1, 0, "a");
        story_finish(s, STORY_EOS);
        queue_done(&f.queue, s);
    }
    assert_null(queue_take(&f.queue, 0, 1));
    assert_int_equal(f.output.n_tokens, 0);
    story_finish(first, STORY_EOS);
    queue_done(&f.queue, first);
    assert_int_equal(f.output.n_tokens, QUEUE_ENDED + 1);
    take(&f, 0, 0, "a");
    close_queue(&f);
}

/* The story whose turn it is may be changing in its teller's hands. */
static void test_only_its_teller_shows_a_story(void **context)
{
    (void)context;
    static const char *const items[] = {"a", "b"};
    struct vocab_bytes text = {(const unsigned char *)"x", 1};
    struct fixture f;
    struct err e;
    bool alone;
    open_queue(&f, items, 2, -1, 2);
    struct story *first = take(&f, 0, 0, "a");
    struct story *second = take(&f, 1, 0, "b");
    assert_int_equal(story_add(first, &no_stop, 4, 0, false, text, &e), 0);
    assert_int_equal(story_add(second, &no_stop, 4, 0, false, text, &e), 0);
    assert_true(queue_show(&f.queue, 1, &alone));
    assert_int_equal(first->ready, 1);
    assert_int_equal(second->ready, 1);
    assert_true(queue_show(&f.queue, 0, &alone));
    assert_int_equal(first->ready, 0);
    assert_int_equal(second->ready, 1);
    close_queue(&f);
}

static void test_lines_are_taken_when_they_come(void **context)
{
    (void)context;
    struct fixture f;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    open_queue(&f, NULL, 0, fd[0], 1);
    assert_int_equal(write(fd[1], "one\ntw", 6), 6);
    struct story *first = take(&f, 0, 0, "one");
    assert_null(queue_take(&f.queue, 0, 1)); /* does not wait for the rest of the line */
    assert_int_equal(write(fd[1], "o\n", 2), 2);
    struct story *second = take(&f, 0, 1, "two");
    close(fd[1]);
    assert_null(queue_take(&f.queue, 0, 2));
    story_finish(first, STORY_LENGTH);
    queue_done(&f.queue, first);
    story_finish(second, STORY_LENGTH);
    queue_done(&f.queue, second);
    assert_null(queue_take(&f.queue, 0, 0));
    close_queue(&f);
    close(fd[0]);
}

/* One waits for a line that never comes, one for the other, and the third fails. */
static void wait_or_fail(void *context, size_t task, size_t worker)
{
    struct fixture *f = context;
    struct err e;
    bool alone;
    (void)worker;
    if (task == 2) {
        usleep(20000); /* let them wait; if they do not yet, the test is only easier */
        err_set(&e, "the reason");
        queue_fail(&f->queue, &e);
        err_set(&e, "another");
        queue_fail(&f->queue, &e);
    } else {
        f->got_story[task] = queue_take(&f->queue, task, 0) != NULL;
    }
    f->going[task] = queue_show(&f->queue, task, &alone);
}

static void test_a_failure_ends_all_waiting(void **context)
{
    (void)context;
    struct fixture f = {0};
    struct err e;
    int fd[2];
    struct pool *p = threads_new(3, &e);
    assert_non_null(p);
    assert_int_equal(pipe(fd), 0);
    open_queue(&f, NULL, 0, fd[0], 3);
    pool_run(p, wait_or_fail, &f, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_false(f.got_story[i]);
        assert_false(f.going[i]);
    }
    assert_true(f.queue.failed);
    assert_string_equal(f.queue.error.text, "the reason");
    close_queue(&f);
    close(fd[0]);
    close(fd[1]);
    threads_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stories_are_shared_evenly_and_in_order),
        cmocka_unit_test(test_ended_stories_are_bounded),
        cmocka_unit_test(test_only_its_teller_shows_a_story),
        cmocka_unit_test(test_lines_are_taken_when_they_come),
        cmocka_unit_test(test_a_failure_ends_all_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
