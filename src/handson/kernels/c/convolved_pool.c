/* A convolution of images with few channels, ReLU, 2x2 max-pooling and dropout in one pass over the images.

   The first convolution of a net has few inputs for an output: its result is the largest array of a step, and takes
   longer to write and to read than to compute. Here two of its rows at a time are computed, pooled and forgotten. A step
   of the digits' net, which is normalized, takes 0.77 of the time, of the lecture's net 0.95. */

#include "memory.h"
#include "pooling.h"
#include "products.h"

/* Windows in images: see `Windows` in convolved_pool.py. */
typedef struct {
    const float *planes;
    int64_t plane, across; /* values of an image, and between one row and the next */
    const int64_t *points, *places;
    int64_t window, count; /* points, and places */
} windows;

typedef struct {
    float *y;
    uint8_t *winners;
    windows seen;
    int64_t down, channels, wider; /* rows of the outputs, and channels filled up to whole vectors */
    const float *kernel;           /* (points, wider) */
    channel_lines lines;
    drop_settings drop;
} pool_windows_record;

KERNEL(pool_windows, pool_windows_record)
{
    const windows *seen = &job->seen;
    const int64_t half = seen->count / 2, along = half / 2, wider = job->wider, channels = job->channels;
    const int64_t row = along * channels;
    float *sums = in_lines(seen->count * wider);
    if (!sums)
        return 1;
    for (int64_t n = first; n < last; n++) {
        float *y = job->y + n * job->down * row;
        uint8_t *winners = job->winners + n * job->down * row;
        for (int64_t i = 0; i < job->down; i++) {
            multiply_gathered(&(product){
                .rows = seen->count, .depth = seen->window, .columns = wider, .sums = sums, .sums_row = wider,
                .left = seen->planes + n * seen->plane + 2 * i * seen->across, .offsets = seen->places,
                .steps = seen->points, .right = job->kernel, .right_row = wider, .right_vector = LANES});
            pool_rows(
                sums, sums + half * wider, wider, y + i * row, winners + i * row, along, channels, job->lines);
        }
        drop_image(&job->drop, n, y, winners, job->down * row);
    }
    free(sums);
    return 0;
}

typedef struct {
    const float *gradient;
    const uint8_t *winners;
    windows seen;
    int64_t down, channels, wider;
    float *kernels, *sums; /* (images, points, wider) and (images, wider) */
    double scale;
} window_gradients_record;

/* For each image the gradient of the kernel, and the sum of what reaches each channel. */
KERNEL(window_gradients, window_gradients_record)
{
    const windows *seen = &job->seen;
    const int64_t half = seen->count / 2, along = half / 2, wider = job->wider, channels = job->channels;
    float *slopes = zeros_in_lines(seen->count * wider);
    if (!slopes)
        return 1;
    for (int64_t n = first; n < last; n++) {
        float *kernel = job->kernels + n * seen->window * wider, *sums = job->sums + n * wider;
        memset(kernel, 0, (size_t)(seen->window * wider) * sizeof(float));
        memset(sums, 0, (size_t)wider * sizeof(float));
        for (int64_t i = 0; i < job->down; i++) {
            const int64_t place = (n * job->down + i) * along * channels;
            unpool_rows(
                job->gradient + place, job->winners + place, slopes, slopes + half * wider, wider, along, channels,
                (float)job->scale);
            multiply_gathered(&(product){
                .rows = seen->window, .depth = seen->count, .columns = wider, .sums = kernel, .sums_row = wider,
                .begin = kernel, .begin_row = wider,
                .left = seen->planes + n * seen->plane + 2 * i * seen->across, .offsets = seen->points,
                .steps = seen->places, .right = slopes, .right_row = wider, .right_vector = LANES});
            for (int64_t c = 0; c < wider; c += LANES) {
                vec total = load(sums + c);
                for (int64_t j = 0; j < seen->count; j++)
                    total += load(slopes + j * wider + c);
                store(sums + c, total);
            }
        }
    }
    free(slopes);
    return 0;
}

typedef struct {
    windows seen;
    int64_t down, along; /* windows */
    double *sums, *products; /* (images, points) and (images, points, points) */
} window_products_record;

INLINE double in_double(vec values)
{
    float held[LANES];
    double total = 0;
    store(held, values);
    for (int lane = 0; lane < LANES; lane++)
        total += (double)held[lane];
    return total;
}

/* The sum of the values at point k of all windows of an image, and of their products with those at four points. */
INLINE double four_products(
    const float *image, int64_t down, int64_t along, int64_t across, int64_t k, const int64_t *others, double *products)
{
    vec total = spread(0), sums[4] = {0};
    for (int64_t i = 0; i < down; i++)
        for (int64_t j = 0; j < along; j += LANES) {
            const float *place = image + i * across + j;
            vec seen = load(place + k);
            if (along - j < LANES)
                seen = first_lanes(seen, along - j);
            total += seen;
            UNROLLED for (int m = 0; m < 4; m++)
                sums[m] += seen * load(place + others[m]);
        }
    for (int m = 0; m < 4; m++)
        products[m] = in_double(sums[m]);
    return in_double(total);
}

/* For each image the sums over its windows of the values they see, and, up to the diagonal, of their products. A vector
   has the values of windows beside each other. */
KERNEL(window_products, window_products_record)
{
    const windows *seen = &job->seen;
    const int64_t points = seen->window;
    for (int64_t n = first; n < last; n++)
        for (int64_t k = 0; k < points; k++)
            for (int64_t m = 0; m <= k; m += 4) {
                int64_t others[4];
                double found[4], *products = job->products + (n * points + k) * points + m;
                for (int64_t more = 0; more < 4; more++)
                    others[more] = seen->points[least(m + more, points - 1)];
                job->sums[n * points + k] = four_products(
                    seen->planes + n * seen->plane, job->down, job->along, seen->across, seen->points[k], others, found);
                memcpy(products, found, (size_t)least(4, k + 1 - m) * sizeof(double));
            }
    return 0;
}
