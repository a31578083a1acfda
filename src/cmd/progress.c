/* progress.c: see progress.h. */
#include "cmd/progress.h"

#include "cmd/output.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_AFTER_S    0.5
#define TERMINAL_EVERY_S 0.1
#define PLAIN_EVERY_S    5.0
#define BAR_WIDTH        24

static void restart(struct progress *progress, const char *label, const char *unit)
{
    progress->label = label;
    progress->unit = unit;
    progress->begin = clock_wall();
    progress->next = progress->begin + (progress->terminal ? FIRST_AFTER_S : PLAIN_EVERY_S);
    progress->done = 0;
    progress->fraction = -1;
}

void progress_begin(struct progress *progress, const char *label, const char *unit)
{
    *progress = (struct progress){.enabled = !output_quiet()};
    pthread_mutex_init(&progress->lock, NULL);
    progress->terminal = isatty(STDERR_FILENO);
    restart(progress, label, unit);
}

static void erase(struct progress *progress)
{
    if (progress->terminal && progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = 0;
}

void progress_stage(struct progress *progress, const char *label, const char *unit)
{
    pthread_mutex_lock(&progress->lock);
    erase(progress);
    restart(progress, label, unit);
    pthread_mutex_unlock(&progress->lock);
}

static void append(char *line, size_t size, const char *text)
{
    size_t used = strlen(line);
    snprintf(line + used, size - used, "%s", text);
}

static void append_bar(const struct progress *progress, char *line, size_t size)
{
    char bar[BAR_WIDTH + 3], percent[16];
    int filled = (int)(progress->fraction * BAR_WIDTH);
    if (progress->terminal) {
        bar[0] = '[';
        for (int i = 0; i < BAR_WIDTH; i++)
            bar[1 + i] = i < filled ? '#' : i == filled ? '>' : ' ';
        memcpy(bar + 1 + BAR_WIDTH, "]", 2);
        append(line, size, " ");
        append(line, size, bar);
    }
    snprintf(percent, sizeof percent, " %3.0f%%", progress->fraction * 100);
    append(line, size, percent);
}

static void append_amount(const struct progress *progress, double elapsed, char *line, size_t size)
{
    char text[128], amount[AMOUNT_TEXT_MAX], rate[AMOUNT_TEXT_MAX];
    uint64_t rate_s = elapsed > 0 ? (uint64_t)((double)progress->done / elapsed) : 0;
    if (strcmp(progress->unit, "bytes") == 0)
        snprintf(text, sizeof text, "  %s  %s/s", amount_bytes(progress->done, amount),
                 amount_bytes(rate_s, rate));
    else
        snprintf(text, sizeof text, "  %s %s  %s/s", amount_count(progress->done, amount),
                 progress->unit, amount_count(rate_s, rate));
    append(line, size, text);
}

static void show(struct progress *progress, double now)
{
    char line[256] = "", text[AMOUNT_TEXT_MAX];
    double elapsed = now - progress->begin;
    append(line, sizeof line, progress->label);
    if (progress->fraction >= 0)
        append_bar(progress, line, sizeof line);
    if (progress->done > 0)
        append_amount(progress, elapsed, line, sizeof line);
    if (progress->fraction > 0.001 && progress->fraction < 1) {
        append(line, sizeof line, "  ");
        append(line, sizeof line,
               amount_seconds(elapsed * (1 - progress->fraction) / progress->fraction, text));
        append(line, sizeof line, " left");
    } else if (progress->fraction < 0) {
        append(line, sizeof line, "  ");
        append(line, sizeof line, amount_seconds(elapsed, text));
    }
    fprintf(stderr, progress->terminal ? "\r%s\033[K" : "%s\n", line);
    fflush(stderr);
    progress->shown = 1;
    progress->next = now + (progress->terminal ? TERMINAL_EVERY_S : PLAIN_EVERY_S);
}

void progress_update_fraction(struct progress *progress, uint64_t done, double fraction)
{
    if (!progress->enabled)
        return;
    double now = clock_wall();
    pthread_mutex_lock(&progress->lock);
    progress->done = done;
    progress->fraction = fraction > 1 ? 1 : fraction;
    if (now >= progress->next)
        show(progress, now);
    pthread_mutex_unlock(&progress->lock);
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    progress_update_fraction(progress, done, total ? (double)done / (double)total : -1);
}

void progress_end(struct progress *progress)
{
    pthread_mutex_lock(&progress->lock);
    erase(progress);
    progress->enabled = 0;
    pthread_mutex_unlock(&progress->lock);
    pthread_mutex_destroy(&progress->lock);
}

double progress_seconds(const struct progress *progress)
{
    return clock_wall() - progress->begin;
}
