/* The losses of the program of a dense net, and their gradients: see dense_loss.py. */

#include "dense.h"
#include "elementary.h"

#define EPSILON 1e-7f
#define MOST (1.0f - EPSILON)

/* In both: where there is no target, which is NaN, there is no loss and no gradient. */

/* The sum of the values that have a target, and how many; the slopes of the others become 0. In eight sums. */
static double sum_values(int64_t size, const float *wanted, const float *values, float *slopes, int64_t *count)
{
    double sums[8] = {0};
    int64_t present = 0, k = 0;
    for (; k + 8 <= size; k += 8)
        for (int lane = 0; lane < 8; lane++) {
            bool missing = wanted[k + lane] != wanted[k + lane];
            sums[lane] += missing ? 0.0 : (double)values[k + lane];
            slopes[k + lane] = missing ? 0.0f : slopes[k + lane];
            present += !missing;
        }
    for (; k < size; k++) {
        bool missing = wanted[k] != wanted[k];
        sums[k & 7] += missing ? 0.0 : (double)values[k];
        slopes[k] = missing ? 0.0f : slopes[k];
        present += !missing;
    }
    *count = present;
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/* As `sum_values`, for samples: a sample is there unless any of its targets is NaN. */
static double sum_samples(
    int64_t rows, int64_t columns, const float *wanted, const float *values, float *gradient, int64_t *count)
{
    double total = 0;
    int64_t present = 0;
    for (int64_t i = 0; i < rows; i++) {
        vec of_targets = spread(0), of_values = spread(0);
        for (int64_t j = 0; j < columns; j += LANES) {
            of_targets += load_part(wanted + i * columns + j, columns - j);
            of_values += load_part(values + i * columns + j, columns - j);
        }
        float sum = sum_of(of_targets);
        if (sum == sum) {
            total += (double)sum_of(of_values);
            present++;
        } else
            memset(gradient + i * columns, 0, (size_t)columns * sizeof *gradient);
    }
    *count = present;
    return total;
}

/* The loss of each value, and its slope. */
#define EACH(value, slope)                                                                                             \
    for (int64_t k = 0; k < size; k++) {                                                                               \
        float error = output[k] - wanted[k], steep = slope;                                                            \
        slopes[k] = steep;                                                                                             \
        values[k] = value;                                                                                             \
    }

static void errors(
    const dense_loss *loss, int64_t size, const float *restrict output, const float *restrict wanted,
    float *restrict values, float *restrict slopes)
{
    float delta = (float)loss->delta;
    if (loss->kind == MSE)
        EACH(error * error, 2.0f * error)
    else if (loss->kind == MAE)
        EACH(fabsf(error), error > 0 ? 1.0f : error < 0 ? -1.0f : error)
    else
        EACH(steep * (error - 0.5f * steep), error > delta ? delta : error < -delta ? -delta : error)
}

INLINE vec clipped(vec share)
{
    share = choose_smaller(share, spread(EPSILON), spread(EPSILON), share);
    return choose_smaller(spread(MOST), share, spread(MOST), share);
}

static void binary_logits(int64_t size, const float *output, const float *wanted, float *values, float *slopes)
{
    vec zero = spread(0);
    for (int64_t k = 0; k < size; k += LANES) {
        vec x = load_part(output + k, size - k), target = load_part(wanted + k, size - k);
        vec above = choose_smaller(x, zero, zero, x), below = choose_smaller(x, zero, x, zero);
        vec value = above - x * target + logarithm_of_one_more(exponential(below - above));
        store_part(values + k, value, size - k);
        store_part(slopes + k, sigmoid(x) - target, size - k);
    }
}

static void binary(int64_t size, const float *output, const float *wanted, float *values, float *slopes)
{
    for (int64_t k = 0; k < size; k += LANES) {
        vec x = load_part(output + k, size - k), target = load_part(wanted + k, size - k);
        vec inside = clipped(x), outside = 1.0f - inside;
        vec value = spread(0) - (target * logarithm(inside) + (1.0f - target) * logarithm(outside));
        vec slope = (inside - target) / (inside * outside);
        slope = choose_smaller(x, spread(EPSILON), spread(0), slope);
        store_part(values + k, value, size - k);
        store_part(slopes + k, choose_smaller(spread(MOST), x, spread(0), slope), size - k);
    }
}

/* Cross-entropy of a sample and a distribution of targets, in parts for each output, and its gradient. */
static void of_logits(int64_t columns, const float *output, const float *wanted, float *values, float *gradient)
{
    float largest = output[0];
    for (int64_t j = 1; j < columns; j++)
        largest = largest < output[j] ? output[j] : largest;
    vec totals = spread(0), shares = spread(0);
    for (int64_t j = 0; j < columns; j += LANES) {
        vec power = first_lanes(exponential(load_part(output + j, columns - j) - largest), columns - j);
        totals += power;
        shares += load_part(wanted + j, columns - j);
        store_part(gradient + j, power, columns - j);
    }
    float total = sum_of(totals), factor = sum_of(shares) / total;
    float normal = largest + logarithm(spread(total))[0];
    for (int64_t j = 0; j < columns; j += LANES) {
        vec target = load_part(wanted + j, columns - j), x = load_part(output + j, columns - j);
        vec power = load_part(gradient + j, columns - j);
        store_part(values + j, target * (normal - x), columns - j);
        store_part(gradient + j, factor * power - target, columns - j);
    }
}

/* The targets of shares within the bounds: outside there is no slope. */
INLINE vec sloping(vec share, vec target)
{
    vec zero = spread(0);
    return choose_smaller(share, spread(EPSILON), zero, choose_smaller(spread(MOST), share, zero, target));
}

/* The same for outputs that are brought to a sum of 1. */
static void of_probabilities(int64_t columns, const float *output, const float *wanted, float *values, float *gradient)
{
    vec totals = spread(0), inners = spread(0);
    for (int64_t j = 0; j < columns; j += LANES)
        totals += load_part(output + j, columns - j);
    float total = sum_of(totals);
    for (int64_t j = 0; j < columns; j += LANES)
        inners += sloping(load_part(output + j, columns - j) / total, load_part(wanted + j, columns - j));
    float inner = sum_of(inners);
    for (int64_t j = 0; j < columns; j += LANES) {
        vec share = load_part(output + j, columns - j) / total, target = load_part(wanted + j, columns - j);
        vec inside = clipped(share);
        store_part(values + j, spread(0) - target * logarithm(inside), columns - j);
        store_part(gradient + j, (inner - sloping(share, target) / inside) / total, columns - j);
    }
}

static void weigh(
    const float *weights, const int64_t *rows, int64_t size, int64_t columns, float *restrict values,
    float *restrict gradient)
{
    for (int64_t i = 0; i < size; i++) {
        float weight = weights[rows[i]];
        for (int64_t k = i * columns; k < (i + 1) * columns; k++) {
            values[k] *= weight;
            gradient[k] *= weight;
        }
    }
}

double batch_loss(
    const dense_loss *loss, const dense_targets *targets, const int64_t *rows, int64_t size, const float *output,
    float *gradient, float *wanted, float *values, int64_t *count)
{
    int64_t columns = loss->columns, all = size * columns;
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = 0; j < columns; j++)
            wanted[i * columns + j] = targets->values[rows[i] * targets->columns + j];
    if (loss->kind == BINARY_LOGITS)
        binary_logits(all, output, wanted, values, gradient);
    else if (loss->kind == BINARY)
        binary(all, output, wanted, values, gradient);
    else if (loss->kind < BINARY)
        errors(loss, all, output, wanted, values, gradient);
    else
        for (int64_t k = 0; k < all; k += columns)
            (loss->kind == CATEGORICAL_LOGITS ? of_logits : of_probabilities)(
                columns, output + k, wanted + k, values + k, gradient + k);
    if (targets->weights)
        weigh(targets->weights, rows, size, columns, values, gradient);
    double total = loss->kind >= CATEGORICAL ? sum_samples(size, columns, wanted, values, gradient, count)
                                             : sum_values(all, wanted, values, gradient, count);
    float scale = (float)loss->weight / (float)most(*count, 1);
    for (int64_t k = 0; k < all; k++)
        gradient[k] *= scale;
    return total;
}

typedef struct {
    const dense_loss *loss;
    const dense_targets *targets;
    const int64_t *rows;
    int64_t size;
    float *output, *gradient, *wanted, *values;
    double *total;
    int64_t *count;
} loss_record;

/* For the tests: the program calls `batch_loss`. */
KERNEL(dense_batch_loss, loss_record)
{
    (void)first, (void)last;
    *job->total = batch_loss(
        job->loss, job->targets, job->rows, job->size, job->output, job->gradient, job->wanted, job->values, job->count);
    return 0;
}
