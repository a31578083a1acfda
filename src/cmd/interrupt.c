/* interrupt.c: see interrupt.h. System calls of the engine's threads are restarted (SA_RESTART), since
 * it installs no handler and need not expect EINTR; poll() in input.c never is. */
#include "cmd/interrupt.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t caught;

static void on_signal(int signal_number)
{
    (void)signal_number;
    caught = 1;
}

void interrupt_catch(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int interrupt_caught(void)
{
    return caught != 0;
}
