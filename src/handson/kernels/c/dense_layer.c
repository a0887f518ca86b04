/* A dense layer: what it puts out, and the gradients of its weights and of its inputs. All matrices are without gaps.

   A layer with one output, as most regressions end in, has products of its own: as a matrix, its column would fill one
   lane of each vector. */

#include "dense.h"
#include "products.h"
#include "threads.h"

/* The sum of products, each lane for itself. */
static float dot(int64_t size, const float *a, const float *b)
{
    vec sums = spread(0), others = spread(0);
    int64_t k = 0;
    for (; k + 2 * LANES <= size; k += 2 * LANES) {
        sums += load(a + k) * load(b + k);
        others += load(a + k + LANES) * load(b + k + LANES);
    }
    for (; k < size; k += LANES)
        sums += load_part(a + k, size - k) * load_part(b + k, size - k);
    return sum_of(sums + others);
}

/* For fewer multiplications a second thread costs more than it brings. */
#define WORTH_A_THREAD (1 << 19)
/* Rows and columns are dealt to threads in units of whole tiles. */
#define ROWS 6
#define COLUMNS (4 * LANES)

static int64_t some_rows(const void *job, int64_t first, int64_t last)
{
    product part = *(const product *)job;
    part.sums += first * ROWS * part.sums_row;
    part.left += first * ROWS * part.left_row;
    part.rows = least(part.rows, last * ROWS) - first * ROWS;
    multiply(&part);
    return 0;
}

static int64_t some_columns(const void *job, int64_t first, int64_t last)
{
    product part = *(const product *)job;
    part.sums += first * COLUMNS;
    part.right += first * COLUMNS;
    part.begin = part.begin ? part.begin + first * COLUMNS : NULL;
    part.columns = least(part.columns, last * COLUMNS) - first * COLUMNS;
    multiply(&part);
    return 0;
}

/* A product on as many threads as are worth it; no element depends on how many these are. */
static void multiply_on(const crew *threads, const product *given)
{
    int64_t rows = (given->rows + ROWS - 1) / ROWS, columns = (given->columns + COLUMNS - 1) / COLUMNS;
    int64_t worth = given->rows * given->columns * given->depth / WORTH_A_THREAD;
    int64_t count = least(threads->count, least(worth, most(rows, columns)));
    if (count < 2)
        multiply(given);
    else if (rows >= columns)
        handson_share(threads->start, some_rows, given, rows, count, least(rows, 4 * count));
    else
        handson_share(threads->start, some_columns, given, columns, count, least(columns, 4 * count));
}

/* y = x @ kernel + bias, which may be NULL. */
void dense_outputs(
    const crew *threads, int64_t rows, int64_t before, int64_t after, const float *x, const float *kernel,
    const float *bias, float *y)
{
    if (after == 1) {
        for (int64_t i = 0; i < rows; i++)
            y[i] = dot(before, x + i * before, kernel) + (bias ? bias[0] : 0.0f);
        return;
    }
    multiply_on(threads, &(product){
        .rows = rows, .depth = before, .columns = after, .sums = y, .sums_row = after, .begin = bias, .left = x,
        .left_row = before, .left_step = 1, .right = kernel, .right_row = after, .right_vector = LANES});
}

/* The gradients of kernel and bias, which may be NULL, from the inputs and the gradient of the outputs. */
void dense_gradients(
    const crew *threads, int64_t rows, int64_t before, int64_t after, const float *x, const float *gradient,
    float *d_kernel, float *d_bias)
{
    if (after == 1) {
        memset(d_kernel, 0, (size_t)before * sizeof *d_kernel);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < before; j++)
                d_kernel[j] += x[i * before + j] * gradient[i];
    } else
        multiply_on(threads, &(product){
            .rows = before, .depth = rows, .columns = after, .sums = d_kernel, .sums_row = after, .left = x,
            .left_row = 1, .left_step = before, .right = gradient, .right_row = after, .right_vector = LANES});
    if (!d_bias)
        return;
    memset(d_bias, 0, (size_t)after * sizeof *d_bias);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < after; j++)
            d_bias[j] += gradient[i * after + j];
}

/* below = gradient @ kernel.T, the gradient of the inputs; `turned` has room for the kernel. */
void input_gradients(
    const crew *threads, int64_t rows, int64_t before, int64_t after, const float *kernel, const float *gradient,
    float *below, float *turned)
{
    if (after == 1) {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < before; j++)
                below[i * before + j] = gradient[i] * kernel[j];
        return;
    }
    transpose(kernel, before, after, turned);
    multiply_on(threads, &(product){
        .rows = rows, .depth = after, .columns = before, .sums = below, .sums_row = before, .left = gradient,
        .left_row = after, .left_step = 1, .right = turned, .right_row = before, .right_vector = LANES});
}

typedef struct {
    int64_t rows, before, after;
    const float *x, *kernel, *bias;
    float *y;
    const float *gradient;
    float *d_kernel, *d_bias, *below, *turned;
    crew threads;
} layer_record;

/* For the tests: these are called from the program. */
KERNEL(dense_layer, layer_record)
{
    (void)first, (void)last;
    dense_outputs(&job->threads, job->rows, job->before, job->after, job->x, job->kernel, job->bias, job->y);
    dense_gradients(
        &job->threads, job->rows, job->before, job->after, job->x, job->gradient, job->d_kernel, job->d_bias);
    input_gradients(
        &job->threads, job->rows, job->before, job->after, job->kernel, job->gradient, job->below, job->turned);
    return 0;
}
