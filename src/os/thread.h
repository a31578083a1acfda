/* thread.h: mutexes, conditions and threads; thin names over the platform's. Failures of a mutex are
 * broken invariants and abort. */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <pthread.h>
#include <stdint.h>

struct mutex {
    pthread_mutex_t handle;
};
struct cond {
    pthread_cond_t handle; /* waits on the monotonic clock */
};
struct thread {
    pthread_t handle;
};

void mutex_init(struct mutex *mutex);
void mutex_release(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
void cond_init(struct cond *cond);
void cond_release(struct cond *cond);
void cond_wait(struct cond *cond, struct mutex *mutex);
/* 0 when woken (perhaps spuriously), 1 when timeout_us passed. */
int cond_wait_us(struct cond *cond, struct mutex *mutex, uint64_t timeout_us);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);
/* 0 or errno. */
int thread_start(struct thread *thread, const char *name, void (*run)(void *), void *context);
void thread_join(struct thread *thread);
/* From now on this thread gives way to others: its nice value is so much higher than it was (at most 19
 * in all), and its waking up interrupts nobody. A hint; systems that do not know it ignore it. */
void thread_give_way(int niceness);
void thread_sleep_us(unsigned us); /* at least; not longer than a signal */
unsigned thread_cores(void);       /* processors this process may use, at least 1 */

#endif
