/* Memory that a kernel works in. */

#ifndef HANDSON_MEMORY_H
#define HANDSON_MEMORY_H

#include "vectors.h"

/* float32 in a line of the processor's cache. A vector that lies across two lines takes two reads. */
#define LINE 16

/* Room for so many values, from the begin of a line to the end of one; NULL if there is none. Freed by `free`. */
INLINE float *in_lines(int64_t values)
{
    return aligned_alloc(4 * LINE, (size_t)(most(values, 1) + LINE - 1) / LINE * LINE * sizeof(float));
}

/* The same, of zeros. */
INLINE float *zeros_in_lines(int64_t values)
{
    float *room = in_lines(values);
    if (room)
        memset(room, 0, (size_t)values * sizeof(float));
    return room;
}

#endif
