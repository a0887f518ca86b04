/* What the program of a dense net does with the gradients of a step: see dense_update.py. */

#include "dense.h"

/* Keeps a norm from zero, as in `handson.optimizers`. */
#define TINY 1e-12f

typedef struct {
    float rate, momentum, first, second, epsilon;
} numbers;

/* Sums of squares and of sizes, each lane for itself. */
static float sum_of_squares(int64_t size, const float *values)
{
    vec sums = spread(0), others = spread(0);
    int64_t k = 0;
    for (; k + 2 * LANES <= size; k += 2 * LANES) {
        vec a = load(values + k), b = load(values + k + LANES);
        sums += a * a;
        others += b * b;
    }
    for (; k < size; k += LANES) {
        vec a = load_part(values + k, size - k);
        sums += a * a;
    }
    return sum_of(sums + others);
}

static float sum_of_sizes(int64_t size, const float *values)
{
    vec sums = spread(0);
    for (int64_t k = 0; k < size; k += LANES) {
        vec a = load_part(values + k, size - k);
        sums += choose_smaller(a, spread(0), a * -1.0f, a);
    }
    return sum_of(sums);
}

static float add_penalty(
    int64_t size, const float *restrict weights, float *restrict gradients, float l1, float l2)
{
    if (l2 != 0)
        for (int64_t k = 0; k < size; k++)
            gradients[k] += 2.0f * l2 * weights[k];
    if (l1 != 0)
        for (int64_t k = 0; k < size; k++)
            gradients[k] += weights[k] > 0 ? l1 : weights[k] < 0 ? -l1 : 0.0f;
    return l1 * sum_of_sizes(size, weights) + l2 * sum_of_squares(size, weights);
}

/* Scale values whose norm is greater than the bound. */
static void shorten(int64_t size, float *values, float bound)
{
    float factor = bound / (sqrtf(sum_of_squares(size, values)) + TINY);
    if (!(factor > 1.0f))
        for (int64_t k = 0; k < size; k++)
            values[k] *= factor;
}

/* Clip values, the norm of each weight's gradient, or that of all together. */
static void bound_gradients(const dense_update *update, int64_t size, float *gradients)
{
    float bound = (float)update->bound;
    if (update->clipping == BY_VALUE)
        for (int64_t k = 0; k < size; k++)
            gradients[k] = gradients[k] > bound ? bound : gradients[k] < -bound ? -bound : gradients[k];
    else if (update->clipping == BY_GLOBAL_NORM)
        shorten(size, gradients, bound);
    else if (update->clipping == BY_NORM)
        for (int64_t i = 0, first = 0; i < update->trained; first = update->ends[i++])
            shorten(update->ends[i] - first, gradients + first, bound);
}

/* RMSprop with momentum, centered, or both; the slots after the first are those that there are, in this order. */
static void other_rmsprop(
    int64_t kind, int64_t size, numbers n, float *restrict w, const float *restrict g, float *restrict a,
    float *restrict b, float *restrict c)
{
    bool moves = kind != CENTERED_RMSPROP, centered = kind != MOMENTUM_RMSPROP;
    float *means = moves ? c : b;
    for (int64_t k = 0; k < size; k++) {
        a[k] = n.first * a[k] + (1 - n.first) * g[k] * g[k];
        float divisor = a[k];
        if (centered) {
            means[k] += (1 - n.first) * (g[k] - means[k]);
            divisor -= means[k] * means[k];
        }
        float step = n.rate * g[k] / sqrtf(divisor + n.epsilon);
        if (moves) {
            step += n.momentum * b[k];
            b[k] = step;
        }
        w[k] -= step;
    }
}

#define EACH(...)                                                                                                      \
    for (int64_t k = 0; k < size; k++) {                                                                               \
        __VA_ARGS__;                                                                                                   \
    }                                                                                                                  \
    break

/* One step of an optimizer on weights w with gradients g and slots a, b, c: the formulas of `handson.optimizers`.
   Adam's rate has its bias corrections in it. */
static void optimize(
    int64_t kind, int64_t size, numbers n, float *restrict w, const float *restrict g, float *restrict a,
    float *restrict b, float *restrict c)
{
    switch (kind) {
    case PLAIN_SGD:
        EACH(w[k] -= n.rate * g[k]);
    case MOMENTUM_SGD:
        EACH(a[k] = n.momentum * a[k] - n.rate * g[k]; w[k] += a[k]);
    case NESTEROV_SGD:
        EACH(a[k] = n.momentum * a[k] - n.rate * g[k]; w[k] += n.momentum * a[k] - n.rate * g[k]);
    case RMSPROP:
        EACH(a[k] = n.first * a[k] + (1 - n.first) * g[k] * g[k]; w[k] -= n.rate * g[k] / sqrtf(a[k] + n.epsilon));
    case ADAM:
        EACH(a[k] += (1 - n.first) * (g[k] - a[k]); b[k] = n.second * b[k] + (1 - n.second) * g[k] * g[k];
             w[k] -= n.rate * a[k] / (sqrtf(b[k]) + n.epsilon));
    case AMSGRAD:
        EACH(a[k] += (1 - n.first) * (g[k] - a[k]); b[k] = n.second * b[k] + (1 - n.second) * g[k] * g[k];
             c[k] = c[k] > b[k] ? c[k] : b[k]; w[k] -= n.rate * a[k] / (sqrtf(c[k]) + n.epsilon));
    case ADAGRAD:
        EACH(a[k] += g[k] * g[k]; w[k] -= n.rate * g[k] / sqrtf(a[k] + n.epsilon));
    case ADADELTA:
        EACH(a[k] = n.first * a[k] + (1 - n.first) * g[k] * g[k];
             float step = sqrtf((b[k] + n.epsilon) / (a[k] + n.epsilon)) * g[k];
             b[k] = n.first * b[k] + (1 - n.first) * step * step; w[k] -= n.rate * step);
    case NONE:
        break;
    default:
        other_rmsprop(kind, size, n, w, g, a, b, c);
    }
}

/* The moving average of the weights; a share of 1 makes it their copy. */
static void move_average(int64_t size, float *restrict averages, const float *restrict weights, float share)
{
    for (int64_t k = 0; k < size; k++)
        averages[k] = share == 1 ? weights[k] : averages[k] + share * (weights[k] - averages[k]);
}

double apply_gradients(const dense_update *update, int64_t step, float *weights, float *gradients)
{
    double penalty = 0;
    for (int64_t p = 0; p < update->penalties; p++) {
        int64_t first = update->penalized[2 * p], last = update->penalized[2 * p + 1];
        penalty += (double)add_penalty(
            last - first, weights + first, gradients + first, update->factors[2 * p], update->factors[2 * p + 1]);
    }
    int64_t size = update->ends[update->trained - 1];
    bound_gradients(update, size, gradients);
    float decay = update->decays[step], share = update->shares[step], *slots = update->slots;
    if (decay != 1)
        for (int64_t k = 0; k < size; k++)
            weights[k] *= decay;
    numbers n = {
        update->rates[step], update->momenta[step], (float)update->first, (float)update->second,
        (float)update->epsilon};
    optimize(
        update->optimizer, size, n, weights, gradients, slots, slots + update->stride, slots + 2 * update->stride);
    if (share != 0)
        move_average(size, slots + 3 * update->stride, weights, share);
    return penalty;
}
