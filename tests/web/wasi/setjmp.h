/* For tests/web/kern.c: kcheck.h includes it, and nothing there jumps. */
