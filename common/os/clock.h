/* clock.h - elapsed time. */
#ifndef CLOCK_H
#define CLOCK_H

/* Seconds of the monotonic clock, from a moment that is not defined: for differences. */
double clock_seconds(void);

#endif
