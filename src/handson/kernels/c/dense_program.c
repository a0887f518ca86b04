/* Training steps of a net of dense layers as one program, without Python between them: see dense_program.py. */

#include "dense.h"
#include "words.h"

/* What is at an offset, NULL for -1. */
INLINE float *part(float *flat, int64_t offset) { return offset < 0 ? NULL : flat + offset; }

/* Which elements of the samples of a batch are kept, and y = x * scale for these, x * 0 for the others. */
static void drop(
    const dense_net *net, const operation *o, uint64_t key, const int64_t *rows, int64_t size, const float *restrict x,
    float *restrict y, uint8_t *restrict mask)
{
    uint32_t threshold = net->thresholds[o->number];
    float scale = net->scales[o->number];
    for (int64_t i = 0; i < size; i++) {
        row_pair words = row_words(key, rows[i]);
        for (int64_t j = 0; j < o->after; j++) {
            bool kept = element_word(words, (uint32_t)j) >= threshold;
            mask[i * o->after + j] = kept;
            y[i * o->after + j] = x[i * o->after + j] * (kept ? scale : 0.0f);
        }
    }
}

/* Batch normalization; `mean` and `inverse` get mean and 1 / standard deviation, the moving moments are moved. */
static void normalize(
    const dense_net *net, const operation *o, int64_t rows, const float *restrict x, float *restrict y,
    float *restrict mean, float *restrict inverse)
{
    int64_t columns = o->after;
    float epsilon = net->constants[2 * o->number], momentum = net->constants[2 * o->number + 1];
    const float *gamma = part(net->weights, o->first), *beta = part(net->weights, o->second);
    float *restrict means = net->moving + o->third, *restrict variances = means + net->features;
    for (int64_t j = 0; j < columns; j++)
        mean[j] = inverse[j] = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            mean[j] += x[i * columns + j];
    for (int64_t j = 0; j < columns; j++)
        mean[j] /= (float)rows;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            inverse[j] += (x[i * columns + j] - mean[j]) * (x[i * columns + j] - mean[j]);
    for (int64_t j = 0; j < columns; j++) {
        float variance = inverse[j] / (float)rows;
        means[j] = momentum * means[j] + (1 - momentum) * mean[j];
        variances[j] = momentum * variances[j] + (1 - momentum) * variance;
        inverse[j] = 1 / sqrtf(variance + epsilon);
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            y[i * columns + j] = (x[i * columns + j] - mean[j]) * inverse[j] * (gamma ? gamma[j] : 1.0f) +
                                 (beta ? beta[j] : 0.0f);
}

/* Batch normalization in evaluation mode. */
static void scale(const dense_net *net, const operation *o, int64_t rows, const float *restrict x, float *restrict y)
{
    int64_t columns = o->after;
    float epsilon = net->constants[2 * o->number];
    const float *gamma = part(net->weights, o->first), *beta = part(net->weights, o->second);
    const float *means = net->moving + o->third, *variances = means + net->features;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            float factor = (gamma ? gamma[j] : 1.0f) / sqrtf(variances[j] + epsilon);
            y[i * columns + j] = (x[i * columns + j] - means[j]) * factor + (beta ? beta[j] : 0.0f);
        }
}

/* The backward pass of `normalize`: gradients of gamma and beta, and of the input into `below`. */
static void unnormalize(
    const dense_net *net, const operation *o, int64_t rows, const float *restrict x, const float *restrict gradient,
    float *restrict below)
{
    int64_t columns = o->after;
    const float *gamma = part(net->weights, o->first);
    const float *mean = net->moments + o->third, *inverse = mean + net->features;
    float *restrict of_gradient = net->sums, *restrict of_product = of_gradient + net->most;
    for (int64_t j = 0; j < columns; j++)
        of_gradient[j] = of_product[j] = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            float slope = gradient[i * columns + j];
            of_gradient[j] += slope;
            of_product[j] += slope * (x[i * columns + j] - mean[j]) * inverse[j];
        }
    if (o->first >= 0)
        memcpy(net->gradients + o->first, of_product, (size_t)columns * sizeof(float));
    if (o->second >= 0)
        memcpy(net->gradients + o->second, of_gradient, (size_t)columns * sizeof(float));
    float share = 1 / (float)rows;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            float centred = (x[i * columns + j] - mean[j]) * inverse[j];
            float factor = (gamma ? gamma[j] : 1.0f) * inverse[j];
            below[i * columns + j] =
                factor * (gradient[i * columns + j] - share * (of_gradient[j] + centred * of_product[j]));
        }
}

/* Some columns of the rows of a batch. */
static void take(
    const dense_training *job, const operation *o, const int64_t *rows, int64_t size, float *restrict y)
{
    const float *from = job->inputs + o->first;
    for (int64_t i = 0; i < size; i++)
        memcpy(y + i * o->after, from + rows[i] * job->columns, (size_t)o->after * sizeof(float));
}

static void add(int64_t size, const float *restrict from, float *restrict to)
{
    for (int64_t k = 0; k < size; k++)
        to[k] += from[k];
}

/* The input becomes columns of the output, or is added to them. */
static void join(const operation *o, int64_t size, const float *restrict x, float *restrict y)
{
    for (int64_t i = 0; i < size; i++)
        if (o->second)
            add(o->before, x + i * o->before, y + i * o->after + o->first);
        else
            memcpy(y + i * o->after + o->first, x + i * o->before, (size_t)o->before * sizeof(float));
}

static void unjoin(const operation *o, int64_t size, const float *restrict gradient, float *restrict below)
{
    for (int64_t i = 0; i < size; i++)
        memcpy(below + i * o->before, gradient + i * o->after + o->first, (size_t)o->before * sizeof(float));
}

/* x * factor + offset. */
static void affine(int64_t size, const float *restrict constants, const float *restrict x, float *restrict y)
{
    float factor = constants[0], offset = constants[1];
    for (int64_t k = 0; k < size; k++)
        y[k] = x[k] * factor + offset;
}

static void times(int64_t size, float factor, const float *restrict x, float *restrict y)
{
    for (int64_t k = 0; k < size; k++)
        y[k] = x[k] * factor;
}

/* Two values become one, value by value. NaN of either passes through, as in PyTorch. */
static void combine(int64_t kind, int64_t size, const float *restrict a, const float *restrict b, float *restrict y)
{
    switch (kind) {
    case PRODUCT:
        for (int64_t k = 0; k < size; k++)
            y[k] = a[k] * b[k];
        break;
    case LARGER:
        for (int64_t k = 0; k < size; k++)
            y[k] = a[k] > b[k] || a[k] != a[k] ? a[k] : b[k];
        break;
    default:
        for (int64_t k = 0; k < size; k++)
            y[k] = a[k] < b[k] || a[k] != a[k] ? a[k] : b[k];
    }
}

/* The backward pass of `combine` to one of the values. Where both are the same, each gets half, as in PyTorch. */
static void part_of_combined(
    int64_t kind, int64_t size, const float *x, const float *other, const float *restrict gradient,
    float *restrict below)
{
    if (kind == PRODUCT) {
        for (int64_t k = 0; k < size; k++)
            below[k] = gradient[k] * other[k];
        return;
    }
    for (int64_t k = 0; k < size; k++) {
        float less = kind == LARGER ? x[k] : other[k], more = kind == LARGER ? other[k] : x[k];
        below[k] = less < more ? 0 : less == more ? gradient[k] / 2 : gradient[k];
    }
}

/* All operations on the rows of a batch. */
static void forward(const dense_training *job, const uint64_t *keys, const int64_t *rows, int64_t size)
{
    const dense_net *net = job->net;
    for (int64_t i = 0; i < net->count; i++) {
        const operation *o = &net->operations[i];
        const float *x = net->arena + o->x;
        float *y = net->arena + o->y;
        switch (o->kind) {
        case MATMUL:
            dense_outputs(
                &net->threads, size, o->before, o->after, x, net->weights + o->first, part(net->weights, o->second), y);
            break;
        case ACTIVATION: activate(o->first, size, o->after, x, y); break;
        case DROPOUT: drop(net, o, keys[o->number], rows, size, x, y, net->masks + o->y); break;
        case SCALING: scale(net, o, size, x, y); break;
        case GATHER: take(job, o, rows, size, y); break;
        case JOIN: join(o, size, x, y); break;
        case AFFINE: affine(size * o->after, net->constants + 2 * o->number, x, y); break;
        case PRODUCT:
        case LARGER:
        case SMALLER:
            if (!o->second)
                combine(o->kind, size * o->after, x, net->arena + o->first, y);
            break;
        default: normalize(net, o, size, x, y, net->moments + o->third, net->moments + o->third + net->features);
        }
    }
}

static void undrop(
    int64_t size, float scale, const uint8_t *restrict mask, const float *restrict gradient, float *restrict below)
{
    for (int64_t k = 0; k < size; k++)
        below[k] = gradient[k] * (mask[k] ? scale : 0.0f);
}

/* The gradients of the weights of a dense layer; those that have a part already are added to. */
static void weight_gradients(const dense_net *net, const operation *o, int64_t size, const float *gradient)
{
    float *kernel = net->gradients + o->first, *bias = part(net->gradients, o->second);
    bool again = o->number & 1, bias_again = bias && o->number & 2;
    float *of_bias = net->spare + o->before * o->after;
    dense_gradients(
        &net->threads, size, o->before, o->after, net->arena + o->x, gradient, again ? net->spare : kernel,
        bias_again ? of_bias : bias);
    if (again)
        add(o->before * o->after, net->spare, kernel);
    if (bias_again)
        add(o->after, of_bias, bias);
}

/* From the gradient of what an operation gives to that of what goes in, into `below`. */
static void input_gradient(
    const dense_net *net, const operation *o, int64_t size, const float *gradient, float *below)
{
    const float *x = net->arena + o->x, *y = net->arena + o->y;
    switch (o->kind) {
    case MATMUL:
        input_gradients(
            &net->threads, size, o->before, o->after, net->weights + o->first, gradient, below, net->turned);
        break;
    case ACTIVATION:
        if (below != gradient)
            memcpy(below, gradient, (size_t)(size * o->after) * sizeof(float));
        deactivate(o->first, size, o->after, x, y, below);
        break;
    case DROPOUT: undrop(size * o->after, net->scales[o->number], net->masks + o->y, gradient, below); break;
    case JOIN: unjoin(o, size, gradient, below); break;
    case AFFINE: times(size * o->after, net->constants[2 * o->number], gradient, below); break;
    case PRODUCT:
    case LARGER:
    case SMALLER: part_of_combined(o->kind, size * o->after, x, net->arena + o->first, gradient, below); break;
    default: unnormalize(net, o, size, x, gradient, below);
    }
}

/* From the gradients of the outputs to those of all weights that are trained. */
static void backward(const dense_net *net, int64_t size)
{
    for (int64_t i = net->count - 1; i >= 0; i--) {
        const operation *o = &net->operations[i];
        if (o->dy < 0)
            continue;
        const float *gradient = net->slopes + o->dy;
        if (o->kind == MATMUL && o->third)
            weight_gradients(net, o, size, gradient);
        if (o->dx < 0 && o->kind != BATCH_NORMALIZATION)
            continue;
        bool whole = o->dx >= 0 && !o->adds;
        input_gradient(net, o, size, gradient, whole ? net->slopes + o->dx : net->spare);
        if (o->adds)
            add(size * o->before, net->spare, net->slopes + o->dx);
    }
}

/* The rows of a step. */
static const int64_t *rows_of(const dense_span *span, int64_t step, int64_t *size)
{
    int64_t epoch = step / span->steps, place = (step - epoch * span->steps) * span->batch_size;
    *size = least(span->batch_size, span->length - place);
    return span->order + epoch * span->length + place;
}

/* The forward pass of a step; the outputs are kept where that is asked for. */
static void run_forward(const dense_training *job, int64_t step)
{
    const dense_span *span = job->span;
    int64_t size;
    const int64_t *rows = rows_of(span, step, &size);
    forward(job, span->keys + step / span->steps * span->drops, rows, size);
    for (int64_t h = 0; h < job->outputs; h++) {
        const dense_head *head = &job->heads[h];
        int64_t width = head->loss->columns;
        if (head->outputs)
            memcpy(
                head->outputs + (rows - span->order) * width, job->net->arena + head->loss->output,
                (size_t)(size * width) * sizeof(float));
    }
}

/* The losses of a step, and the gradients of the outputs. */
static void run_losses(const dense_training *job, int64_t step)
{
    const dense_net *net = job->net;
    int64_t size;
    const int64_t *rows = rows_of(job->span, step, &size);
    for (int64_t h = 0; h < job->outputs; h++) {
        const dense_head *head = &job->heads[h];
        const dense_loss *loss = head->loss;
        float *gradient = net->slopes + loss->gradient;
        head->totals[step] = batch_loss(
            loss, head->targets, rows, size, net->arena + loss->output, loss->adds ? net->spare : gradient,
            net->compared, net->compared + net->compared_most, &head->counts[step]);
        if (loss->adds)
            add(size * loss->columns, net->spare, gradient);
    }
}

/* From the gradients of the outputs to new weights. */
static void run_backward(const dense_training *job, int64_t step)
{
    int64_t size;
    rows_of(job->span, step, &size);
    backward(job->net, size);
    job->span->penalties[step] = apply_gradients(job->update, step, job->net->weights, job->net->gradients);
}

/* The steps from `first` to `last`, with their losses. Where the optimizer is NONE nothing is trained. */
KERNEL(dense_train, dense_training)
{
    for (int64_t step = first; step < last; step++) {
        run_forward(job, step);
        run_losses(job, step);
        if (job->update->optimizer != NONE)
            run_backward(job, step);
    }
    return 0;
}

/* The two halves of a step around losses that Python computes, which writes the gradients to `slopes`. */
KERNEL(dense_forward, dense_training)
{
    for (int64_t step = first; step < last; step++)
        run_forward(job, step);
    return 0;
}

KERNEL(dense_backward, dense_training)
{
    for (int64_t step = first; step < last; step++)
        run_backward(job, step);
    return 0;
}

typedef struct {
    const float *values;
    const uint8_t *present;
    int64_t rows, columns, batch_size;
    double *totals;
    int64_t *counts;
} segments;

/* Sums of the values of each step that are present, in double precision and in order. */
KERNEL(segment_sums, segments)
{
    for (int64_t step = first; step < last; step++) {
        int64_t end = least((step + 1) * job->batch_size, job->rows) * job->columns;
        double total = 0;
        int64_t count = 0;
        for (int64_t k = step * job->batch_size * job->columns; k < end; k++)
            if (job->present[k]) {
                total += (double)job->values[k];
                count++;
            }
        job->totals[step] = total;
        job->counts[step] = count;
    }
    return 0;
}
