/* interrupt.h: Ctrl-C (and SIGTERM): the first sets a flag that long operations heed, so that they can
 * say how far they came; the second kills. */
#ifndef CMD_INTERRUPT_H
#define CMD_INTERRUPT_H

void interrupt_catch(void);
int interrupt_caught(void);

#endif
