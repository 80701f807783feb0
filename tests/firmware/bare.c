/* A program without any library: it is linked, not run. Without logits it needs less memory. */
#include "toy.h"

void begin(void);

static struct toy story;
volatile uint16_t last;

void begin(void)
{
    uint16_t token = TOY_END;
    size_t n;
    toy_reset(&story);
    for (;;) {
        toy_feed(&story, token);
        token = toy_step_argmax(&story, token);
#ifndef TOY_NO_LOGITS
        toy_step(&story, token);
        token = toy_sample(&story, 0.8f, 50);
#endif
        last = toy_text(token, &n)[0];
    }
}
