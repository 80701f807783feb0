/* board.h - what a board gives the story: a way to write, a clock, an end. board.c has it for an
 * emulated Arm MPS2 with semihosting; replace that file for a board of your own. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

void board_write(const char *text, size_t n);
_Noreturn void board_exit(int status);

/* Instructions since board_clock_start (on real hardware: cycles). To be asked once in 2^24 ticks
 * at least. */
void board_clock_start(void);
uint64_t board_clock(void);

/* start.c: fills the free stack with a pattern; how many bytes of the stack have been used since.
 */
void board_paint_stack(void);
size_t board_stack_bytes(void);

#endif
