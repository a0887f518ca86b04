/* Dropout in one pass over the data. The plain expression, x * mask, writes and reads a dozen arrays of whole numbers to
   make the mask. Here an element's word lives in a register, and the backward pass draws it again. With it a step of the
   lecture's net in `eager` takes 0.89 of the time (this and what other files say of theirs: benchmarks/peers, two cores of
   an AMD EPYC with AVX-512, medians of epochs in turn). */

#include "dropping.h"

typedef struct {
    const float *x;
    float *y;
    const int64_t *rows; /* the numbers of the samples */
    int64_t count;       /* elements of a sample */
    uint64_t key, threshold;
    double scale;
} drop_record;

KERNEL(drop, drop_record)
{
    const uint32_t threshold = (uint32_t)job->threshold;
    const int64_t count = job->count;
    const float scale = (float)job->scale;
    for (int64_t n = first; n < last; n++) {
        const row_pair words = row_words(job->key, job->rows[n]);
        const float *x = job->x + n * count;
        float *y = job->y + n * count;
        int64_t j = 0;
        for (; j + LANES <= count; j += LANES)
            store(y + j, load(x + j) * factors_from(words, j, threshold, scale));
        if (j < count)
            store_first(y + j, load_first(x + j, count - j) * factors_from(words, j, threshold, scale), count - j);
    }
    return 0;
}
