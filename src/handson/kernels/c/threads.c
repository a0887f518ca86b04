/* Kernels on several cores: parts of the rows go to threads, which take them one after another until none is left.

   The threads are those of an OpenMP runtime, whose entry Python gives (torch has loaded one, and its threads wait for
   work without sleeping: others beside them would have to share the cores with that waiting); without one, those of a
   pool of our own. Nothing here calls Python. */

#include "threads.h"
#include "vectors.h"

#if !defined(_WIN32)
#include <pthread.h>
#include <unistd.h>
#endif

/* GOMP_parallel(function, data, threads, flags) */
typedef void (*entry)(void (*function)(void *), void *data, unsigned threads, unsigned flags);

typedef struct {
    row_kernel kernel;
    const void *job;
    int64_t rows, parts, next, failed;
} shared_work;

static void take_parts(void *data)
{
    shared_work *work = data;
    int64_t part;
    while ((part = __atomic_fetch_add(&work->next, 1, __ATOMIC_SEQ_CST)) < work->parts) {
        int64_t first = work->rows * part / work->parts, last = work->rows * (part + 1) / work->parts;
        int64_t failed = work->kernel(work->job, first, last);
        __atomic_fetch_add(&work->failed, failed, __ATOMIC_SEQ_CST);
    }
}

#if !defined(_WIN32)

#define MOST_THREADS 64

/* One piece of work at a time: who finds the pool busy works alone. */
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begun = PTHREAD_COND_INITIALIZER, ended = PTHREAD_COND_INITIALIZER;
static shared_work *current;
static int64_t started, round_number, places, at_work;

static void *wait_for_work(void *data)
{
    int64_t seen = (int64_t)(intptr_t)data;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (round_number == seen)
            pthread_cond_wait(&begun, &lock);
        seen = round_number;
        if (places == 0)
            continue;
        places--;
        at_work++;
        shared_work *work = current;
        pthread_mutex_unlock(&lock);
        take_parts(work);
        pthread_mutex_lock(&lock);
        if (--at_work == 0)
            pthread_cond_signal(&ended);
    }
    return NULL;
}

/* A forked process has lost the threads, and locks that others of them held. */
static void look_for_fork(void)
{
    static int64_t owner;
    int64_t before = __atomic_load_n(&owner, __ATOMIC_SEQ_CST), here = getpid();
    if (before == here || !__atomic_compare_exchange_n(&owner, &before, here, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return;
    started = places = at_work = 0;
    pthread_mutex_init(&busy, NULL);
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&begun, NULL);
    pthread_cond_init(&ended, NULL);
}

static void start_threads(int64_t threads)
{
    while (started < least(threads, MOST_THREADS)) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, wait_for_work, (void *)(intptr_t)round_number))
            return;
        pthread_detach(thread);
        started++;
    }
}

static void on_pool(shared_work *work, int64_t threads)
{
    look_for_fork();
    if (pthread_mutex_trylock(&busy)) {
        take_parts(work);
        return;
    }
    pthread_mutex_lock(&lock);
    start_threads(threads - 1);
    current = work;
    places = threads - 1;
    round_number++;
    pthread_cond_broadcast(&begun);
    pthread_mutex_unlock(&lock);
    take_parts(work);
    pthread_mutex_lock(&lock);
    places = 0; /* who is late finds nothing to do */
    while (at_work)
        pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&busy);
}

#else

static void on_pool(shared_work *work, int64_t threads)
{
    (void)threads;
    take_parts(work);
}

#endif

EXPORT int64_t handson_share(void *start, row_kernel kernel, const void *job, int64_t rows, int64_t threads, int64_t parts)
{
    shared_work work = {kernel, job, rows, parts, 0, 0};
    if (threads < 2)
        take_parts(&work);
    else if (start)
        ((entry)start)(take_parts, &work, (unsigned)threads, 0);
    else
        on_pool(&work, threads);
    return work.failed;
}

EXPORT const int64_t handson_lanes = LANES;

#ifndef SOURCES
#define SOURCES ""
#endif
/* A digest of the sources that this was built from. */
EXPORT const char *const handson_sources = SOURCES;
