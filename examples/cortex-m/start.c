/* start.c - from reset to main: the vector table, memory as C expects it, the FPU on. */
#include <stdint.h>

#include "board.h"

int main(void);

/* Set by board.ld. */
extern uint32_t data_in_flash[], data_begin[], data_end[], bss_begin[], bss_end[], stack_begin[],
    stack_end[];

static void reset(void)
{
    volatile uint32_t *access = (uint32_t *)0xe000ed88; /* CPACR */
    uint32_t *from = data_in_flash;
    uint32_t *to;
    *access |= 0xfu << 20; /* full access to coprocessors 10 and 11, which are the FPU */
    __asm__ volatile("dsb\n\tisb");
    for (to = data_begin; to < data_end; to++)
        *to = *from++;
    for (to = bss_begin; to < bss_end; to++)
        *to = 0;
    board_exit(main());
}

static void fault(void)
{
    board_write("fault\n", 6);
    board_exit(1);
}

typedef void handler(void);
struct vectors {
    uint32_t *stack;
    handler *handlers[15];
};
extern const struct vectors vectors;
__attribute__((section(".vectors"), used)) const struct vectors vectors = {
    stack_end,
    {reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault}};

/* The compiler may call these two for assignments of structs. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    while (n-- > 0)
        *t++ = *f++;
    return to;
}

void *memset(void *to, int value, size_t n)
{
    unsigned char *t = to;
    while (n-- > 0)
        *t++ = (unsigned char)value;
    return to;
}

/* ---- the stack's high-water mark ------------------------------------------------------------- */

enum { UNTOUCHED = 0x5aa5a55a };

void board_paint_stack(void)
{
    uint32_t *here = __builtin_frame_address(0);
    uint32_t *p;
    for (p = stack_begin; p < here - 16; p++)
        *p = UNTOUCHED;
}

size_t board_stack_bytes(void)
{
    const uint32_t *p = stack_begin;
    while (p < stack_end && *p == UNTOUCHED)
        p++;
    return (size_t)((const char *)stack_end - (const char *)p);
}
