/* main.c - the likeliest story, on a processor without an operating system, and what it cost.
 * story.c and story.h are written by `export --format c`. */
#include "board.h"
#include "story.h"

static struct story story;

/* Set by board.ld. */
extern const char flash_begin[], flash_end[], ram_begin[], ram_end[];

static void say(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    board_write(text, n);
}

static void say_number(const char *label, uint64_t number, const char *unit)
{
    char digits[24];
    char *p = digits + sizeof digits;
    *--p = '\0';
    do {
        *--p = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    say(label);
    say(p);
    say(unit);
}

int main(void)
{
    uint16_t token = STORY_END;
    uint64_t instructions = 0;
    uint32_t tokens;
    board_paint_stack();
    board_clock_start();
    story_reset(&story);
    for (tokens = 0; tokens < TOKENS; tokens++) {
        uint64_t start = board_clock();
        size_t n;
        const unsigned char *text;
        token = story_step_argmax(&story, token);
        instructions += board_clock() - start;
        if (token == STORY_END)
            break;
        text = story_text(token, &n);
        board_write((const char *)text, n);
    }
    say("\n");
    say_number("tokens        ", tokens, "\n");
    say_number("instructions  ", instructions / (tokens + (token == STORY_END)), " a token\n");
    say_number("flash         ", (uint64_t)(flash_end - flash_begin), " bytes");
    say_number(" (story.h states ", STORY_FLASH_BYTES, " of constant data)\n");
    say_number("RAM           ", (uint64_t)(ram_end - ram_begin), " bytes");
    say_number(" (story.h states ", STORY_RAM_BYTES, " for the story)\n");
    say_number("stack         ", board_stack_bytes(), " bytes\n");
    return 0;
}
