/* Convolutions with windows of 3x3 in fewer multiplications: 16 instead of 36 for two by two outputs.

   Of the inputs that such a square of outputs sees, 4x4, and of the kernel, sums and differences are taken; their
   products, place by place, are summed over the channels; sums and differences of these are the outputs. See
   winograd.py. Inputs and channels are whole vectors. With it a step of the digits' net takes 0.86 of the time
   (benchmarks/peers, two cores of an AMD EPYC with AVX-512); windows of 2x2 won 2 % of the lecture's net and are not
   here. */

#include "memory.h"
#include "products.h"

#define SIDE 4
#define SQUARE (SIDE * SIDE)
/* The place that is a plain sum of the gradients. */
#define MIDDLE 5

/* What squares are multiplied with, from the left and, transposed, from the right. */
static const int INPUTS[SIDE][SIDE] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}};
static const int OUTPUTS[SIDE][SIDE] = {{1, 1, 1, 0}, {0, 1, -1, 1}};
static const int SLOPES[SIDE][SIDE] = {{1, 0}, {1, 1}, {1, -1}, {0, 1}};

/* Where the vectors of a square are. */
typedef struct {
    float *begin;
    int64_t row, column;
} square;

/* The sum of vectors, each times its factor: 0, 1 or -1, at least one of them 1. */
INLINE vec combined(const int factors[SIDE], const vec values[SIDE], int count)
{
    vec total = spread(0);
    bool begun = false;
    UNROLLED for (int k = 0; k < count; k++)
        if (factors[k] == 1) {
            total = begun ? total + values[k] : values[k];
            begun = true;
        }
    UNROLLED for (int k = 0; k < count; k++)
        if (factors[k] == -1)
            total = total - values[k];
    return total;
}

/* to = matrix @ from @ matrix.T, with a matrix (rows, columns). */
INLINE void turn(const int matrix[SIDE][SIDE], int rows, int columns, square from, square to)
{
    vec values[SIDE][SIDE], half[SIDE][SIDE];
    UNROLLED for (int j = 0; j < columns; j++)
        UNROLLED for (int i = 0; i < columns; i++)
            values[j][i] = load(from.begin + i * from.row + j * from.column);
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int j = 0; j < columns; j++)
            half[i][j] = combined(matrix[i], values[j], columns);
    UNROLLED for (int i = 0; i < rows; i++)
        UNROLLED for (int j = 0; j < rows; j++)
            store(to.begin + i * to.row + j * to.column, combined(matrix[j], half[i], columns));
}

/* How the outputs of a convolution are divided into squares of 2x2: see `Tiles` in winograd.py. */
typedef struct {
    int64_t across, per_image, count, at_once;
} tiling;

typedef struct {
    float *values;
    int64_t height, width, channels;
} images;

/* Where a tile is: the image, and the first row and column. */
typedef struct {
    int64_t n, i, j;
} spot;

INLINE spot spot_of(const tiling *tiles, int64_t tile)
{
    const int64_t place = tile % tiles->per_image;
    return (spot){tile / tiles->per_image, 2 * (place / tiles->across), 2 * (place % tiles->across)};
}

/* A square of an image, in place; or a copy in `patch`, with zeros around the image. */
INLINE square cut_out(const images *from, spot at, int side, float *patch)
{
    const int64_t channels = from->channels, row = from->width * channels;
    const float *image = from->values + at.n * from->height * row;
    if (at.i >= 0 && at.j >= 0 && at.i + side <= from->height && at.j + side <= from->width)
        return (square){from->values + (at.n * from->height + at.i) * row + at.j * channels, row, channels};
    for (int64_t a = 0; a < side; a++)
        for (int64_t b = 0; b < side; b++) {
            const int64_t i = at.i + a, j = at.j + b;
            float *to = patch + (a * side + b) * channels;
            if (i >= 0 && i < from->height && j >= 0 && j < from->width)
                memcpy(to, image + i * row + j * channels, (size_t)channels * sizeof(float));
            else
                memset(to, 0, (size_t)channels * sizeof(float));
        }
    return (square){patch, side * channels, channels};
}

/* The sums and differences of what some tiles see, into matrices (at_once, channels) one after another. */
static void take_inputs(
    const images *x, const tiling *tiles, int64_t begin, int64_t count, int64_t top, int64_t left, float *patch,
    float *found)
{
    const int64_t matrix = tiles->at_once * x->channels;
    for (int64_t t = 0; t < count; t++) {
        spot at = spot_of(tiles, begin + t);
        at.i -= top, at.j -= left;
        square from = cut_out(x, at, SIDE, patch);
        for (int64_t c = 0; c < x->channels; c += LANES, from.begin += LANES)
            turn(INPUTS, SIDE, SIDE, from, (square){found + t * x->channels + c, SIDE * matrix, matrix});
    }
}

/* The same of their gradients. */
static void take_slopes(
    const images *gradient, const tiling *tiles, int64_t begin, int64_t count, float *patch, float *found)
{
    const int64_t matrix = tiles->at_once * gradient->channels;
    for (int64_t t = 0; t < count; t++) {
        square from = cut_out(gradient, spot_of(tiles, begin + t), 2, patch);
        for (int64_t c = 0; c < gradient->channels; c += LANES, from.begin += LANES)
            turn(SLOPES, SIDE, 2, from, (square){found + t * gradient->channels + c, SIDE * matrix, matrix});
    }
}

/* The outputs of some tiles. */
static void put_together(
    float *sums, const images *y, const tiling *tiles, int64_t begin, int64_t count, float *patch)
{
    const int64_t channels = y->channels, matrix = tiles->at_once * channels, row = y->width * channels;
    for (int64_t t = 0; t < count; t++) {
        const spot at = spot_of(tiles, begin + t);
        const bool whole = at.i + 2 <= y->height && at.j + 2 <= y->width;
        float *place = y->values + (at.n * y->height + at.i) * row + at.j * channels;
        const square to = whole ? (square){place, row, channels} : (square){patch, 2 * channels, channels};
        for (int64_t c = 0; c < channels; c += LANES)
            turn(
                OUTPUTS, 2, SIDE, (square){sums + t * channels + c, SIDE * matrix, matrix},
                (square){to.begin + c, to.row, to.column});
        const int64_t columns = least(2, y->width - at.j);
        for (int64_t a = 0; !whole && a < least(2, y->height - at.i); a++)
            memcpy(place + a * row, patch + a * 2 * channels, (size_t)(columns * channels) * sizeof(float));
    }
}

typedef struct {
    const int64_t *starts; /* the first of the tiles that are worked on together */
    tiling tiles;
    images y, x;
    const float *weights, *begins; /* (16, inputs, channels) and (16, channels) */
    int64_t top, left;             /* zeros above and left of the images */
} convolve_record;

/* Outputs y (n, h, w, channels) of x (n, h', w', inputs). */
KERNEL(convolve_tiles, convolve_record)
{
    const tiling *tiles = &job->tiles;
    const int64_t inputs = job->x.channels, channels = job->y.channels, at_once = tiles->at_once;
    float *seen = in_lines(SQUARE * at_once * inputs), *sums = in_lines(SQUARE * at_once * channels);
    float *patch = in_lines(SQUARE * inputs), *outputs = in_lines(4 * channels);
    const bool enough = seen && sums && patch && outputs;
    for (int64_t k = first; enough && k < last; k++) {
        const int64_t begin = job->starts[k], count = least(at_once, tiles->count - begin);
        take_inputs(&job->x, tiles, begin, count, job->top, job->left, patch, seen);
        for (int64_t f = 0; f < SQUARE; f++)
            make_product(
                sums + f * at_once * channels, channels, job->begins + f * channels, seen + f * at_once * inputs,
                inputs, 1, job->weights + f * inputs * channels, channels, count, inputs, channels);
        put_together(sums, &job->y, tiles, begin, count, outputs);
    }
    free(seen), free(sums), free(patch), free(outputs);
    return !enough;
}

typedef struct {
    const int64_t *starts; /* the first tile of each group */
    tiling tiles;
    int64_t group;
    images gradient, x;
    float *sums, *biases; /* (groups, 16, inputs, channels) and (groups, channels) */
    int64_t top, left;
} sum_record;

/* For each group of tiles the gradients of the weights and of the bias. */
KERNEL(sum_gradients, sum_record)
{
    const tiling *tiles = &job->tiles;
    const int64_t inputs = job->x.channels, channels = job->gradient.channels, at_once = tiles->at_once;
    float *seen = in_lines(SQUARE * at_once * inputs), *slopes = in_lines(SQUARE * at_once * channels);
    float *patch = in_lines(SQUARE * inputs), *ends = in_lines(4 * channels);
    const bool enough = seen && slopes && patch && ends;
    for (int64_t g = first; enough && g < last; g++) {
        float *sums = job->sums + g * SQUARE * inputs * channels, *biases = job->biases + g * channels;
        memset(sums, 0, (size_t)(SQUARE * inputs * channels) * sizeof(float));
        memset(biases, 0, (size_t)channels * sizeof(float));
        const int64_t end = least(job->starts[g] + job->group, tiles->count);
        for (int64_t begin = job->starts[g]; begin < end; begin += at_once) {
            const int64_t count = least(at_once, end - begin);
            take_inputs(&job->x, tiles, begin, count, job->top, job->left, patch, seen);
            take_slopes(&job->gradient, tiles, begin, count, ends, slopes);
            for (int64_t f = 0; f < SQUARE; f++) {
                float *to = sums + f * inputs * channels;
                multiply(&(product){
                    .rows = inputs, .depth = count, .columns = channels, .sums = to, .sums_row = channels, .begin = to,
                    .begin_row = channels, .left = seen + f * at_once * inputs, .left_row = 1, .left_step = inputs,
                    .right = slopes + f * at_once * channels, .right_row = channels, .right_vector = LANES});
            }
            const float *all = slopes + MIDDLE * at_once * channels;
            for (int64_t t = 0; t < count; t++)
                for (int64_t c = 0; c < channels; c += LANES)
                    store(biases + c, load(biases + c) + load(all + t * channels + c));
        }
    }
    free(seen), free(slopes), free(patch), free(ends);
    return !enough;
}
