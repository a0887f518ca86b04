/* ReLU, 2x2 max-pooling and dropout of images (n, height, width, channels) in one pass over the data.

   The plain expression, dropout(max_pool2d(relu(x), 2)), writes an array for each of the three and one of positions, and
   walks through all of them in the backward pass. Here each value is read once, and what is kept is a byte for each
   output. The kernels of this and the three files that build on it together: a step of the lecture's net takes 0.48 of
   the time in `eager`, of the digits' net 0.60. */

#include "pooling.h"

typedef struct {
    const float *x;
    float *y;
    uint8_t *winners;
    int64_t height, width, channels;
    channel_lines lines;
    drop_settings drop;
} pool_record;

KERNEL(pool, pool_record)
{
    const int64_t channels = job->channels, row = job->width * channels;
    const int64_t down = job->height / 2, along = job->width / 2, count = down * along * channels;
    for (int64_t n = first; n < last; n++) {
        const float *x = job->x + n * job->height * row;
        float *y = job->y + n * count;
        uint8_t *winners = job->winners + n * count;
        for (int64_t i = 0; i < down; i++)
            pool_rows(
                x + 2 * i * row, x + (2 * i + 1) * row, channels, y + i * along * channels,
                winners + i * along * channels, along, channels, job->lines);
        drop_image(&job->drop, n, y, winners, count);
    }
    return 0;
}

typedef struct {
    const float *gradient;
    const uint8_t *winners;
    float *below;
    int64_t height, width, channels; /* of `below`, the gradient of the inputs */
    double scale;
} unpool_record;

KERNEL(unpool, unpool_record)
{
    const int64_t channels = job->channels, row = job->width * channels;
    const int64_t down = job->height / 2, along = job->width / 2;
    for (int64_t n = first; n < last; n++) {
        float *below = job->below + n * job->height * row;
        for (int64_t i = 0; i < down; i++) {
            int64_t place = (n * down + i) * along * channels;
            float *upper = below + 2 * i * row, *lower = upper + row;
            unpool_rows(
                job->gradient + place, job->winners + place, upper, lower, channels, along, channels, (float)job->scale);
            /* A column left over is 0 too. */
            memset(upper + 2 * along * channels, 0, (size_t)(row - 2 * along * channels) * sizeof(float));
            memset(lower + 2 * along * channels, 0, (size_t)(row - 2 * along * channels) * sizeof(float));
        }
        memset(below + 2 * down * row, 0, (size_t)((job->height - 2 * down) * row) * sizeof(float));
    }
    return 0;
}
