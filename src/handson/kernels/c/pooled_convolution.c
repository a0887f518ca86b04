/* The backward pass of a convolution before ReLU, 2x2 max-pooling and dropout, which leaves out what is 0.

   Of the gradient of the convolution's output only the winners of the windows are not 0: at most one value of four, and
   none where a window has nothing positive or was dropped. Lists of what is left are made, for each place its channels
   and for each channel its places, and the products go through these: sums of a few rows of a matrix, each times a
   factor. As many of their vectors as there are registers stay there while a list is walked through. A step of the
   lecture's net takes 0.72 of the time. */

#include "memory.h"
#include "pooling.h"
#include "products.h"

/* A list of places has about so many: fewer are too short, and more see more of the image than is close at hand. */
#define PLACES 32
#define HIGHEST (REGISTERS == 32 ? 3 : 1)
#define WIDEST 8

/* Rows are picked from `values`, and may be several strips of `blocks` vectors. */
typedef struct {
    float *sums;
    int64_t down; /* from one strip of the sums to the next */
    const float *values;
    int64_t across, below; /* from one row to the next, and from one strip of a row to the next */
    const float *factors;
    const int32_t *picks; /* which rows */
    int64_t count, strips, blocks;
} picked;

INLINE void add_tile(const picked *p, int64_t strip, int64_t along, int height, int width)
{
    float *sums = p->sums + strip * p->down + along;
    const float *values = p->values + strip * p->below + along;
    vec total[HIGHEST][WIDEST];
    UNROLLED for (int i = 0; i < height; i++)
        UNROLLED for (int v = 0; v < width; v++)
            total[i][v] = load(sums + i * p->down + v * LANES);
    for (int64_t k = 0; k < p->count; k++) {
        const vec factor = spread(p->factors[k]);
        const float *row = values + p->picks[k] * p->across;
        UNROLLED for (int i = 0; i < height; i++)
            UNROLLED for (int v = 0; v < width; v++)
                total[i][v] += factor * load(row + i * p->below + v * LANES);
    }
    UNROLLED for (int i = 0; i < height; i++)
        UNROLLED for (int v = 0; v < width; v++)
            store(sums + i * p->down + v * LANES, total[i][v]);
}

INLINE void add_strips(const picked *p, int64_t along, int width)
{
    int64_t strip = 0;
    for (; strip + HIGHEST <= p->strips; strip += HIGHEST)
        add_tile(p, strip, along, HIGHEST, width);
    if (HIGHEST > 2 && strip + 2 <= p->strips) {
        add_tile(p, strip, along, least(HIGHEST, 2), width);
        strip += 2;
    }
    for (; strip < p->strips; strip++)
        add_tile(p, strip, along, 1, width);
}

/* sums += factors[k] times the row picks[k], for all k. */
EXPORT void add_picked_rows(const picked *given)
{
    const picked copy = *given, *p = &copy; /* which no store can change */
    int64_t block = 0;
    for (; p->blocks - block >= 8; block += 8)
        add_strips(p, block * LANES, 8);
    if (p->blocks - block >= 4) {
        add_strips(p, block * LANES, 4);
        block += 4;
    }
    if (p->blocks - block >= 2) {
        add_strips(p, block * LANES, 2);
        block += 2;
    }
    if (p->blocks > block)
        add_strips(p, block * LANES, 1);
}

/* What both kernels are about: images (images, rows, columns, inputs) with zeros around them, the gradient of the outputs
   (images, down, along, channels), and a kernel of `height` strips of `blocks` vectors. */
typedef struct {
    int64_t images, rows, columns, inputs, down, along, channels;
    int64_t top, bottom, left, right; /* zeros */
    int64_t height, blocks;
} sizes;

INLINE int64_t across_of(const sizes *s) { return s->columns + s->left + s->right; }
/* The values of an image between its zeros, and as many more as a vector reads too far. */
INLINE int64_t room_of(const sizes *s)
{
    return (s->rows + s->top + s->bottom) * across_of(s) * s->inputs + LINE;
}

typedef struct {
    const int64_t *starts; /* the first image of each group */
    int64_t group;
    float *sums;    /* (groups, channels, height, strip) */
    double *biases; /* (groups, channels) */
    const float *x, *gradient;
    const uint8_t *winners;
    sizes of;
} kernel_gradients_record;

/* For each channel the gradients of the windows in rows of the pooling, and the places that they belong to. */
INLINE void list_places(
    const kernel_gradients_record *job, int64_t n, int64_t begin, int64_t end, float *factors, int32_t *picks,
    int64_t *counts, int64_t room)
{
    const sizes *of = &job->of;
    const int64_t across = across_of(of), channels = of->channels;
    memset(counts, 0, (size_t)channels * sizeof(int64_t));
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < of->along; j++) {
            const int64_t corner = 2 * (i * across + j), from = ((n * of->down + i) * of->along + j) * channels;
            for (int64_t c = 0; c < channels; c++) {
                const int64_t winner = job->winners[from + c], place = c * room + counts[c];
                factors[place] = job->gradient[from + c];
                picks[place] = (int32_t)(corner + (winner >> 1) * across + (winner & 1));
                counts[c] += winner < 4;
            }
        }
}

INLINE double sum_in_double(const float *values, int64_t count)
{
    vec total = spread(0);
    for (int64_t k = 0; k < count; k += LANES)
        total += load_part(values + k, count - k);
    return (double)sum_of(total);
}

INLINE void add_image(
    const kernel_gradients_record *job, int64_t g, int64_t n, float *room, float *factors, int32_t *picks,
    int64_t *counts)
{
    const sizes *of = &job->of;
    const int64_t across = across_of(of), strip = of->blocks * LANES, row = of->columns * of->inputs;
    const int64_t at_once = most(1, least(of->down, PLACES / most(of->along, 1))), longest = at_once * of->along;
    for (int64_t i = 0; i < of->rows; i++)
        memcpy(
            room + ((i + of->top) * across + of->left) * of->inputs, job->x + (n * of->rows + i) * row,
            (size_t)row * sizeof(float));
    for (int64_t i = 0; i < of->down; i += at_once) {
        list_places(job, n, i, least(i + at_once, of->down), factors, picks, counts, longest);
        for (int64_t c = 0; c < of->channels; c++) {
            job->biases[g * of->channels + c] += sum_in_double(factors + c * longest, counts[c]);
            if (counts[c])
                add_picked_rows(&(picked){
                    job->sums + (g * of->channels + c) * of->height * strip, strip, room, of->inputs,
                    across * of->inputs, factors + c * longest, picks + c * longest, counts[c], of->height, of->blocks});
        }
    }
}

/* For each group of images the gradients of the kernel and of the bias, neither of them scaled. */
KERNEL(kernel_gradients, kernel_gradients_record)
{
    const sizes *of = &job->of;
    const int64_t listed = of->channels * most(of->along, PLACES), size = of->channels * of->height * of->blocks * LANES;
    float *room = zeros_in_lines(room_of(of)), *factors = in_lines(listed), *picks = in_lines(listed);
    int64_t *counts = malloc((size_t)of->channels * sizeof(int64_t));
    const bool enough = room && factors && picks && counts;
    for (int64_t g = first; enough && g < last; g++) {
        memset(job->sums + g * size, 0, (size_t)size * sizeof(float));
        memset(job->biases + g * of->channels, 0, (size_t)of->channels * sizeof(double));
        for (int64_t n = job->starts[g]; n < least(job->starts[g] + job->group, of->images); n++)
            add_image(job, g, n, room, factors, (int32_t *)picks, counts);
    }
    free(room), free(factors), free(picks), free(counts);
    return !enough;
}

typedef struct {
    float *below; /* the gradient of the images */
    const float *gradient;
    const uint8_t *winners;
    const float *weights; /* (channels, height, strip) */
    double scale;
    sizes of;
} input_gradients_record;

/* Write values and channels where a mask is true, without gaps, and give how many these are. Whole vectors are written;
   what is in their other places means nothing. */
INLINE int64_t store_chosen(float *factors, int32_t *picks, vec values, int64_t channel, ivec mask)
{
    ivec channels = lane_numbers() + (int32_t)channel;
#if defined(__AVX512F__)
    const __mmask16 bits = _mm512_movepi32_mask((__m512i)mask);
    _mm512_storeu_ps(factors, _mm512_maskz_compress_ps(bits, (__m512)values));
    _mm512_storeu_si512(picks, _mm512_maskz_compress_epi32(bits, (__m512i)channels));
    return __builtin_popcount(bits);
#else
    int64_t count = 0;
    for (int lane = 0; lane < LANES; lane++) {
        factors[count] = values[lane];
        picks[count] = channels[lane];
        count -= mask[lane];
    }
    return count;
#endif
}

/* For each window in a row of the pooling, and each corner, the channels that it won and their gradients. */
INLINE void list_channels(
    const input_gradients_record *job, int64_t n, int64_t i, float *factors, int32_t *picks, int64_t *counts,
    int64_t room)
{
    const sizes *of = &job->of;
    for (int64_t j = 0; j < of->along; j++) {
        const int64_t from = ((n * of->down + i) * of->along + j) * of->channels;
        int64_t found[4] = {0};
        for (int64_t c = 0; c < of->channels; c += LANES) {
            const int64_t more = of->channels - c;
            vec winner = load_part_bytes(job->winners + from + c, more);
            if (more < LANES)
                winner = choose(first_mask(more), winner, spread(NOTHING));
            const vec values = load_part(job->gradient + from + c, more) * (float)job->scale;
            UNROLLED for (int corner = 0; corner < 4; corner++) {
                const int64_t place = (4 * j + corner) * room + found[corner];
                found[corner] +=
                    store_chosen(factors + place, picks + place, values, c, winner == spread((float)corner));
            }
        }
        memcpy(counts + 4 * j, found, sizeof(found));
    }
}

INLINE void spread_image(
    const input_gradients_record *job, int64_t n, float *room, float *factors, int32_t *picks, int64_t *counts)
{
    const sizes *of = &job->of;
    const int64_t across = across_of(of), strip = of->blocks * LANES, longest = of->channels + LANES;
    const int64_t row = of->columns * of->inputs;
    memset(room, 0, (size_t)room_of(of) * sizeof(float));
    for (int64_t i = 0; i < of->down; i++) {
        list_channels(job, n, i, factors, picks, counts, longest);
        /* Corner by corner: the strips of neighbours overlap. */
        for (int64_t corner = 0; corner < 4; corner++)
            for (int64_t j = 0; j < of->along; j++) {
                const int64_t k = 4 * j + corner;
                if (counts[k])
                    add_picked_rows(&(picked){
                        room + ((2 * i + corner / 2) * across + 2 * j + corner % 2) * of->inputs, across * of->inputs,
                        job->weights, of->height * strip, strip, factors + k * longest, picks + k * longest, counts[k],
                        of->height, of->blocks});
            }
    }
    for (int64_t i = 0; i < of->rows; i++)
        memcpy(
            job->below + (n * of->rows + i) * row, room + ((i + of->top) * across + of->left) * of->inputs,
            (size_t)row * sizeof(float));
}

/* The gradients of the images. */
KERNEL(input_gradients_of_pooled, input_gradients_record)
{
    const sizes *of = &job->of;
    const int64_t listed = 4 * of->along * (of->channels + LANES);
    float *room = in_lines(room_of(of)), *factors = in_lines(listed), *picks = in_lines(listed);
    int64_t *counts = malloc((size_t)most(4 * of->along, 1) * sizeof(int64_t));
    const bool enough = room && factors && picks && counts;
    for (int64_t n = first; enough && n < last; n++)
        spread_image(job, n, room, factors, (int32_t *)picks, counts);
    free(room), free(factors), free(picks), free(counts);
    return !enough;
}
