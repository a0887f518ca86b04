/* Batch normalization before ReLU and 2x2 max-pooling, images (n, height, width, channels): what comes before and after
   the kernels of pooled_relu.c. Sums are taken image by image, so that no number depends on the number of threads.
   With them a step of the digits' net takes 0.95 of the time, of the same with 5x5 windows and three colours 0.92. */

#include "pooling.h"

/* So many sums are taken beside each other: one addition need not wait for the one before. */
#define CHAINS 4

/* Add a vector of float32 to values in double precision. */
INLINE void add_in_double(double *totals, vec values, int64_t count)
{
    float held[LANES];
    store(held, values);
    for (int64_t lane = 0; lane < least(count, LANES); lane++)
        totals[lane] += (double)held[lane];
}

/* The sum over a row of x - centre, or of its square. */
INLINE vec row_sum(const float *x, int64_t width, int64_t channels, vec centre, bool squared, int64_t more, bool whole)
{
    vec totals[CHAINS] = {0};
    for (int64_t j = 0; j < width; j += CHAINS)
        for (int64_t k = 0; k < least(CHAINS, width - j); k++) {
            vec value = load_some(x + (j + k) * channels, more, whole) - centre;
            totals[k] += squared ? value * value : value;
        }
    return (totals[0] + totals[1]) + (totals[2] + totals[3]);
}

typedef struct {
    const float *x;
    double *means, *squares;
    int64_t height, width, channels;
} moments_record;

INLINE void moments_of_channels(const moments_record *job, int64_t n, int64_t c, bool whole)
{
    const int64_t channels = job->channels, more = channels - c, row = job->width * channels;
    const float *x = job->x + n * job->height * row + c;
    double *means = job->means + n * channels + c, *squares = job->squares + n * channels + c;
    float centre[LANES] = {0};
    for (int64_t i = 0; i < job->height; i++)
        add_in_double(means, row_sum(x + i * row, job->width, channels, spread(0), false, more, whole), more);
    for (int64_t lane = 0; lane < least(more, LANES); lane++) {
        means[lane] /= (double)(job->height * job->width);
        centre[lane] = (float)means[lane];
    }
    for (int64_t i = 0; i < job->height; i++)
        add_in_double(squares, row_sum(x + i * row, job->width, channels, load(centre), true, more, whole), more);
}

/* The mean of each channel of each image, and the sum of squared deviations from it. Both are zeros before. */
KERNEL(image_moments, moments_record)
{
    for (int64_t n = first; n < last; n++) {
        int64_t c = 0;
        for (; c + LANES <= job->channels; c += LANES)
            moments_of_channels(job, n, c, true);
        if (c < job->channels)
            moments_of_channels(job, n, c, false);
    }
    return 0;
}

/* Of the backward pass. Gradient and winners are (n, height / 2, width / 2, channels). */
typedef struct {
    const float *gradient;
    const uint8_t *winners;
    const float *x;
    int64_t height, width, channels;
    double *sums, *products;
    const float *centre;
    double scale;
} sums_record;

INLINE void sums_of_channels(const sums_record *job, int64_t n, int64_t c, bool whole)
{
    const int64_t channels = job->channels, more = channels - c, row = job->width * channels;
    const int64_t down = job->height / 2, along = job->width / 2;
    const vec zero = spread(0), centre = load_some(job->centre + c, more, whole);
    double *sums = job->sums + n * channels + c, *products = job->products + n * channels + c;
    for (int64_t i = 0; i < down; i++) {
        const int64_t place = (n * down + i) * along * channels + c;
        const float *x = job->x + (n * job->height + 2 * i) * row + c;
        vec total = zero, other = zero;
        for (int64_t j = 0; j < along; j++) {
            const float *inputs = x + 2 * j * channels;
            vec winner = load_some_bytes(job->winners + place + j * channels, more, whole);
            vec slope = load_some(job->gradient + place + j * channels, more, whole) * (float)job->scale;
            slope = choose(winner < spread(NOTHING), slope, zero);
            vec left = choose(
                winner < spread(1), load_some(inputs, more, whole), load_some(inputs + channels, more, whole));
            vec right = choose(
                winner < spread(3), load_some(inputs + row, more, whole),
                load_some(inputs + row + channels, more, whole));
            total += slope;
            other += slope * (choose(winner < spread(2), left, right) - centre);
        }
        add_in_double(sums, total, more);
        add_in_double(products, other, more);
    }
}

/* The sum of the gradients that reach the normalized values of each image, and of each times its deviation. Both are
   zeros before. */
KERNEL(image_sums, sums_record)
{
    for (int64_t n = first; n < last; n++) {
        int64_t c = 0;
        for (; c + LANES <= job->channels; c += LANES)
            sums_of_channels(job, n, c, true);
        if (c < job->channels)
            sums_of_channels(job, n, c, false);
    }
    return 0;
}

typedef struct {
    const float *gradient;
    const uint8_t *winners;
    const float *x;
    float *below;
    int64_t height, width, channels;
    const float *factor, *constant, *slope;
} spread_record;

INLINE void spread_channels(const spread_record *job, int64_t n, int64_t c, bool whole)
{
    const int64_t channels = job->channels, more = channels - c, row = job->width * channels;
    const int64_t down = job->height / 2, along = job->width / 2;
    const vec factor = load_some(job->factor + c, more, whole), slope = load_some(job->slope + c, more, whole);
    const vec constant = load_some(job->constant + c, more, whole);
    for (int64_t i = 0; i < job->height; i++) {
        const int64_t begin = (n * job->height + i) * row + c;
        const int64_t pairs = i < 2 * down ? along : 0;
        for (int64_t j = 0; j < pairs; j++) {
            const int64_t place = ((n * down + i / 2) * along + j) * channels + c;
            vec winner = load_some_bytes(job->winners + place, more, whole);
            vec won = load_some(job->gradient + place, more, whole) * factor;
            for (int side = 0; side < 2; side++) {
                const int64_t to = begin + (2 * j + side) * channels;
                vec mine = choose(winner == spread((float)(2 * (i % 2) + side)), won, spread(0));
                vec others = constant + slope * load_some(job->x + to, more, whole);
                store_some(job->below + to, mine + others, more, whole);
            }
        }
        for (int64_t j = 2 * pairs; j < job->width; j++) {
            const int64_t to = begin + j * channels;
            store_some(job->below + to, constant + slope * load_some(job->x + to, more, whole), more, whole);
        }
    }
}

/* The gradient of the inputs: that of the winners, and what the moments of the batch give to every value. */
KERNEL(spread_gradients, spread_record)
{
    for (int64_t n = first; n < last; n++) {
        int64_t c = 0;
        for (; c + LANES <= job->channels; c += LANES)
            spread_channels(job, n, c, true);
        if (c < job->channels)
            spread_channels(job, n, c, false);
    }
    return 0;
}
