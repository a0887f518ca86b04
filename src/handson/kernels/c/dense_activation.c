/* The activations of the program of a dense net, and the backward pass through them: see dense_activation.py. */

#include "dense.h"
#include "elementary.h"

#define SELU_ALPHA 1.6732632423543772f
#define SELU_SCALE 1.0507009873554805f

/* y = f(x) for all values; x and y may be the same. */
#define EACH(f)                                                                                                        \
    do {                                                                                                               \
        int64_t k = 0;                                                                                                 \
        for (; k + LANES <= size; k += LANES)                                                                          \
            store(y + k, f(load(x + k)));                                                                              \
        if (k < size)                                                                                                  \
            store_first(y + k, f(load_first(x + k, size - k)), size - k);                                              \
    } while (0)

INLINE vec above_zero(vec x) { return choose_smaller(x, spread(0), spread(0), x); }
INLINE vec below_zero(vec x) { return choose_smaller(x, spread(0), x, spread(0)); }
INLINE vec bounded(vec x, float most) { return choose_smaller(spread(most), x, spread(most), x); }

INLINE vec leaky_relu(vec x) { return above_zero(x) + below_zero(x) * 0.2f; }
INLINE vec relu6(vec x) { return bounded(above_zero(x), 6.0f); }
INLINE vec softsign(vec x) { return x / (1.0f + (above_zero(x) - below_zero(x))); }
INLINE vec hard_sigmoid(vec x) { return above_zero(bounded((x + 3.0f) * (float)(1.0 / 6), 1.0f)); }
INLINE vec softplus(vec x)
{
    return above_zero(x) + logarithm_of_one_more(exponential(below_zero(x) - above_zero(x)));
}
INLINE vec silu(vec x) { return x * sigmoid(x); }
INLINE vec gelu(vec x) { return x * normal_probability(x); }
INLINE vec elu_of(vec x, float scale, float alpha)
{
    vec zero = spread(0), below = alpha * exponential_less_one(choose_smaller(zero, x, zero, x));
    return scale * choose_smaller(zero, x, x, below);
}
INLINE vec elu(vec x) { return elu_of(x, 1.0f, 1.0f); }
INLINE vec selu(vec x) { return elu_of(x, SELU_SCALE, SELU_ALPHA); }
/* As `exponential`, with infinity for what is too large and zero for what is too small. */
INLINE vec whole_exponential(vec x)
{
    vec y = exponential(x * 0.5f);
    return y * y;
}

/* Exponentials of a row over their sum. */
static void softmax(const float *x, float *y, int64_t columns)
{
    vec best = spread(x[0]), sums = spread(0);
    for (int64_t j = 0; j < columns; j += LANES) {
        vec value = choose(first_mask(columns - j), load_part(x + j, columns - j), best);
        best = choose_smaller(best, value, value, best);
    }
    float largest = best[0];
    for (int lane = 1; lane < LANES; lane++)
        largest = largest < best[lane] ? best[lane] : largest;
    for (int64_t j = 0; j < columns; j += LANES) {
        vec power = exponential(load_part(x + j, columns - j) - largest);
        sums += first_lanes(power, columns - j);
        store_part(y + j, power, columns - j);
    }
    vec total = spread(sum_of(sums));
    for (int64_t j = 0; j < columns; j += LANES)
        store_part(y + j, load_part(y + j, columns - j) / total, columns - j);
}

void activate(int64_t kind, int64_t rows, int64_t columns, const float *x, float *y)
{
    int64_t size = rows * columns;
    switch (kind) {
    case RELU: EACH(above_zero); break;
    case LEAKY_RELU: EACH(leaky_relu); break;
    case ELU: EACH(elu); break;
    case SELU: EACH(selu); break;
    case RELU6: EACH(relu6); break;
    case HARD_SIGMOID: EACH(hard_sigmoid); break;
    case TANH: EACH(hyperbolic_tangent); break;
    case SIGMOID: EACH(sigmoid); break;
    case SOFTSIGN: EACH(softsign); break;
    case EXPONENTIAL: EACH(whole_exponential); break;
    case SOFTPLUS: EACH(softplus); break;
    case SILU: EACH(silu); break;
    case GELU: EACH(gelu); break;
    case SOFTMAX:
        for (int64_t i = 0; i < rows; i++)
            softmax(x + i * columns, y + i * columns, columns);
        break;
    default: memmove(y, x, (size_t)size * sizeof *y);
    }
}

/* gradient *= slope, where `y` is an output and `x` an input. */
#define SLOPE(slope)                                                                                                   \
    for (int64_t k = 0; k < size; k += LANES) {                                                                        \
        vec y = load_part(outputs + k, size - k), x = load_part(inputs + k, size - k);                                 \
        (void)x, (void)y;                                                                                              \
        store_part(gradients + k, load_part(gradients + k, size - k) * (slope), size - k);                             \
    }

/* The slope of a function in pieces at an output y: start + rise * y where it is not positive, else middle, but 0 from
   `top` on. */
INLINE vec piece(vec y, float start, float rise, float middle, float top)
{
    vec upper = choose(y >= spread(top), spread(0), spread(middle));
    return choose(y <= spread(0), start + rise * y, upper);
}
INLINE vec size_of(vec y) { return choose_smaller(y, spread(0), y * -1.0f, y); }
INLINE vec silu_slope(vec x)
{
    vec share = sigmoid(x);
    return share + x * (share * (1.0f - share));
}
INLINE vec gelu_slope(vec x)
{
    return normal_probability(x) + x * (0.3989422804014327f * exponential(-0.5f * (x * x)));
}

static void desoftmax(const float *y, float *gradient, int64_t columns)
{
    vec sums = spread(0);
    for (int64_t j = 0; j < columns; j += LANES)
        sums += load_part(gradient + j, columns - j) * load_part(y + j, columns - j);
    vec inner = spread(sum_of(sums));
    for (int64_t j = 0; j < columns; j += LANES) {
        vec slope = load_part(gradient + j, columns - j) - inner;
        store_part(gradient + j, load_part(y + j, columns - j) * slope, columns - j);
    }
}

/* From the gradients of an activation's outputs to those of its inputs, in place. */
void deactivate(
    int64_t kind, int64_t rows, int64_t columns, const float *inputs, const float *outputs, float *gradients)
{
    int64_t size = rows * columns;
    switch (kind) {
    case RELU:
        for (int64_t k = 0; k < size; k += LANES) {
            vec y = load_part(outputs + k, size - k), gradient = load_part(gradients + k, size - k);
            store_part(gradients + k, choose(y <= spread(0), spread(0), gradient), size - k);
        }
        break;
    case LEAKY_RELU: SLOPE(piece(y, 0.2f, 0, 1, INFINITY)) break;
    case ELU: SLOPE(piece(y, 1, 1, 1, INFINITY)) break;
    case SELU: SLOPE(piece(y, SELU_SCALE * SELU_ALPHA, 1, SELU_SCALE, INFINITY)) break;
    case RELU6: SLOPE(piece(y, 0, 0, 1, 6)) break;
    case HARD_SIGMOID: SLOPE(piece(y, 0, 0, (float)(1.0 / 6), 1)) break;
    case TANH: SLOPE((1.0f - size_of(y)) * (1.0f + size_of(y))) break;
    case SIGMOID: SLOPE(size_of(y) * (1.0f - size_of(y))) break;
    case SOFTSIGN: SLOPE((1.0f - size_of(y)) * (1.0f - size_of(y))) break;
    case EXPONENTIAL: SLOPE(y) break;
    case SOFTPLUS: SLOPE(-1.0f * exponential_less_one(-1.0f * y)) break;
    case SILU: SLOPE(silu_slope(x)) break;
    case GELU: SLOPE(gelu_slope(x)) break;
    case SOFTMAX:
        for (int64_t i = 0; i < rows; i++)
            desoftmax(outputs + i * columns, gradients + i * columns, columns);
        break;
    default: break;
    }
}

typedef struct {
    int64_t kind, rows, columns;
    float *inputs, *outputs, *gradients;
} activation_record;

/* For the tests: these are called from the program. */
KERNEL(dense_activate, activation_record)
{
    (void)first, (void)last;
    activate(job->kind, job->rows, job->columns, job->inputs, job->outputs);
    return 0;
}

KERNEL(dense_deactivate, activation_record)
{
    (void)first, (void)last;
    deactivate(job->kind, job->rows, job->columns, job->inputs, job->outputs, job->gradients);
    return 0;
}
