/* Work that is dealt to threads: see threads.c. */

#ifndef HANDSON_THREADS_H
#define HANDSON_THREADS_H

#include <stdint.h>

typedef int64_t (*row_kernel)(const void *job, int64_t first, int64_t last);

/* Where the entry of an OpenMP runtime is, or NULL, and how many threads to use. */
typedef struct {
    void *start;
    int64_t count;
} crew;

/* Call a kernel with all rows of a job, in parts, on threads; gives how many parts failed. */
int64_t handson_share(void *start, row_kernel kernel, const void *job, int64_t rows, int64_t threads, int64_t parts);

#endif
