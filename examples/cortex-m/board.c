#include "board.h"

/* Semihosting: the debugger, or the emulator, serves the call (Arm IHI "Semihosting for AArch32 and
 * AArch64"). */
enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20 };

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_write(const char *text, size_t n)
{
    char line[65];
    while (n > 0) {
        size_t i, part = n < sizeof line - 1 ? n : sizeof line - 1;
        for (i = 0; i < part; i++)
            line[i] = text[i];
        line[part] = '\0';
        semihost(SYS_WRITE0, line);
        text += part;
        n -= part;
    }
}

void board_exit(int status)
{
    const uint32_t block[2] = {0x20026, (uint32_t)status}; /* ADP_Stopped_ApplicationExit */
    semihost(SYS_EXIT_EXTENDED, block);
    for (;;)
        ;
}

/* SysTick counts down 24 bits of the processor's clock. Under QEMU's -icount shift=0 an instruction
 * takes 1 ns, and this board's clock has a period of 40 ns. */
#define SYST_CSR (*(volatile uint32_t *)0xe000e010)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018)

enum { INSTRUCTIONS_A_TICK = 40 };

static uint64_t ticks;
static uint32_t last;

void board_clock_start(void)
{
    SYST_RVR = 0xffffff;
    SYST_CVR = 0;
    SYST_CSR = 5; /* on, the processor's clock, no interrupt */
    last = SYST_CVR;
    ticks = 0;
}

uint64_t board_clock(void)
{
    uint32_t now = SYST_CVR;
    ticks += (last - now) & 0xffffff;
    last = now;
    return ticks * INSTRUCTIONS_A_TICK;
}
