/* program.c: see program.h. posix_spawn: nothing of this process runs in the child. */
#include "os/program.h"

#include "base/limits.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 64

/* Cut in place; words ends with NULL. */
static lode_status cut(char *line, char *words[WORDS_MAX + 1], lode_error *error)
{
    char *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (count == WORDS_MAX)
            return error_set(error, LODE_INVALID, "a command of more than %d words", WORDS_MAX);
        words[count++] = word;
    }
    words[count] = NULL;
    return count ? LODE_OK : error_set(error, LODE_INVALID, "the command is empty");
}

/* Signals as a program expects them, whatever this process does about its own. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    if (!failed)
        failed =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return failed;
}

/* 0 or errno. */
static int start(char *const words[], int output, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed) {
        posix_spawn_file_actions_destroy(&actions);
        return failed;
    }
    failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (!failed)
        failed = set_signals(&attributes);
    if (!failed)
        failed = posix_spawnp(ret_pid, words[0], &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static uint64_t now_ms(void)
{
    return clock_system.now_us(clock_system.context) / 1000;
}

static lode_status too_slow(const char *name, unsigned timeout_ms, lode_error *error)
{
    return error_set(error, LODE_IO, "'%.80s' had not ended after %u ms, and was killed", name,
                     timeout_ms);
}

struct listening {
    const char *name;
    int input;
    unsigned timeout_ms;
    uint64_t until_ms;
};

/* Until the program closes its output. */
static lode_status listen_to(const struct listening *to, uint8_t *data, size_t size_max,
                             size_t *ret_size, lode_error *error)
{
    size_t size = 0;
    uint8_t more;
    for (;;) {
        uint64_t now = now_ms();
        if (now >= to->until_ms)
            return too_slow(to->name, to->timeout_ms, error);
        struct pollfd wait = {.fd = to->input, .events = POLLIN};
        int ready = poll(&wait, 1, (int)(to->until_ms - now));
        if (ready < 0 && errno != EINTR)
            return error_os(error, errno, "cannot wait for '%.80s'", to->name);
        if (ready <= 0)
            continue;
        ssize_t got = size < size_max ? read(to->input, data + size, size_max - size)
                                      : read(to->input, &more, 1);
        if (got < 0 && errno != EINTR)
            return error_os(error, errno, "cannot read what '%.80s' prints", to->name);
        if (got == 0)
            break;
        if (got > 0 && size == size_max)
            return error_set(error, LODE_INVALID, "'%.80s' prints more than %zu bytes", to->name,
                             size_max);
        size += got > 0 ? (size_t)got : 0;
    }
    *ret_size = size;
    return LODE_OK;
}

/* It may go on after it has closed its output. */
static lode_status wait_for(const struct listening *to, pid_t pid, lode_error *error)
{
    int how = 0;
    for (;;) {
        pid_t ended = waitpid(pid, &how, WNOHANG);
        if (ended == pid)
            break;
        if (ended < 0 && errno != EINTR)
            return error_os(error, errno, "cannot learn how '%.80s' ended", to->name);
        if (now_ms() >= to->until_ms) {
            kill(pid, SIGKILL);
            while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
                ;
            return too_slow(to->name, to->timeout_ms, error);
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
        return LODE_OK;
    if (WIFEXITED(how))
        return error_set(error, LODE_IO, "'%.80s' failed: exit code %d", to->name,
                         WEXITSTATUS(how));
    return error_set(error, LODE_IO, "'%.80s' was ended by signal %d", to->name, WTERMSIG(how));
}

static void stop(pid_t pid)
{
    int how;
    kill(pid, SIGKILL);
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
        ;
}

static lode_status run(char *const words[], unsigned timeout_ms, void *data, size_t size_max,
                       size_t *ret_size, lode_error *error)
{
    int ends[2];
    pid_t pid = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_os(error, errno, "cannot make a pipe");
    int failed = start(words, ends[1], &pid);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        return error_os(error, failed, "cannot run '%.80s'", words[0]);
    }
    struct listening to = {.name = words[0],
                           .input = ends[0],
                           .timeout_ms = timeout_ms,
                           .until_ms = now_ms() + timeout_ms};
    lode_status status = listen_to(&to, data, size_max, ret_size, error);
    close(ends[0]);
    if (!status)
        return wait_for(&to, pid, error);
    stop(pid);
    return status;
}

lode_status program_output(const char *command, unsigned timeout_ms, void *data, size_t size_max,
                           size_t *ret_size, lode_error *error)
{
    char *words[WORDS_MAX + 1];
    if (strlen(command) >= PATH_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "a command of %zu bytes: at most %d", strlen(command),
                         PATH_SIZE_MAX - 1);
    char *line = strdup(command);
    if (!line)
        return error_nomem(error, "a command", strlen(command) + 1);
    lode_status status = cut(line, words, error);
    if (!status)
        status = run(words, timeout_ms, data, size_max, ret_size, error);
    free(line);
    return status;
}
