/* Training steps of a stack of dense layers as one program, without Python between them: see dense_program.py. */

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

/* All operations on the batch at the start of the arena. */
static void forward(const dense_net *net, const uint64_t *keys, const int64_t *rows, int64_t size)
{
    for (int64_t i = 0; i < net->count; i++) {
        const operation *o = &net->operations[i];
        const float *x = net->arena + net->places[i];
        float *y = net->arena + net->places[i + 1];
        if (o->kind == MATMUL)
            dense_outputs(
                &net->threads, size, o->before, o->after, x, net->weights + o->first, part(net->weights, o->second), y);
        else if (o->kind == ACTIVATION)
            activate(o->first, size, o->after, x, y);
        else if (o->kind == DROPOUT)
            drop(net, o, keys[o->number], rows, size, x, y, net->masks + net->places[i + 1]);
        else if (o->kind == SCALING)
            scale(net, o, size, x, y);
        else
            normalize(net, o, size, x, y, net->moments + o->third, net->moments + o->third + net->features);
    }
}

static void undrop(
    int64_t size, float scale, const uint8_t *restrict mask, const float *restrict gradient, float *restrict below)
{
    for (int64_t k = 0; k < size; k++)
        below[k] = gradient[k] * (mask[k] ? scale : 0.0f);
}

/* From the gradient of the output, in `upper`, to those of all weights from the lowest operation on. */
static void backward(const dense_net *net, int64_t size)
{
    float *gradient = net->upper, *below = net->lower;
    for (int64_t i = net->count - 1; i >= net->lowest; i--) {
        const operation *o = &net->operations[i];
        const float *x = net->arena + net->places[i], *y = net->arena + net->places[i + 1];
        if (o->kind == ACTIVATION) {
            deactivate(o->first, size, o->after, x, y, gradient);
            continue;
        }
        if (o->kind == MATMUL) {
            if (o->third)
                dense_gradients(
                    &net->threads, size, o->before, o->after, x, gradient, net->gradients + o->first,
                    part(net->gradients, o->second));
            if (i > net->lowest)
                input_gradients(
                    &net->threads, size, o->before, o->after, net->weights + o->first, gradient, below, net->turned);
        } else if (o->kind == DROPOUT)
            undrop(size * o->after, net->scales[o->number], net->masks + net->places[i + 1], gradient, below);
        else
            unnormalize(net, o, size, x, gradient, below);
        float *other = gradient;
        gradient = below;
        below = other;
    }
}

/* The rows of a step. */
static const int64_t *rows_of(const dense_span *span, int64_t step, int64_t *size)
{
    int64_t epoch = step / span->steps, place = (step - epoch * span->steps) * span->batch_size;
    *size = least(span->batch_size, span->length - place);
    return span->order + epoch * span->length + place;
}

/* Gather the batch of a step and go forward; the outputs are kept where that is asked for. */
static const float *run_forward(const dense_training *job, int64_t step)
{
    const dense_net *net = job->net;
    const dense_span *span = job->span;
    int64_t size, columns = job->data->columns, width = net->operations[net->count - 1].after;
    const int64_t *rows = rows_of(span, step, &size);
    for (int64_t i = 0; i < size; i++)
        memcpy(net->arena + i * columns, job->data->inputs + rows[i] * columns, (size_t)columns * sizeof(float));
    forward(net, span->keys + step / span->steps * span->drops, rows, size);
    const float *output = net->arena + net->places[net->count];
    if (span->outputs)
        memcpy(span->outputs + (rows - span->order) * width, output, (size_t)(size * width) * sizeof(float));
    return output;
}

/* From the gradient of the output to new weights. */
static void run_backward(const dense_training *job, int64_t step)
{
    int64_t size;
    rows_of(job->span, step, &size);
    backward(job->net, size);
    double penalty = apply_gradients(job->update, step, job->net->weights, job->net->gradients);
    job->span->totals[step] += (double)job->span->counts[step] * penalty;
}

/* The steps from `first` to `last`, with their losses. Where the optimizer is NONE nothing is trained. */
KERNEL(dense_train, dense_training)
{
    const dense_net *net = job->net;
    for (int64_t step = first; step < last; step++) {
        int64_t size, width = net->operations[net->count - 1].after;
        const float *output = run_forward(job, step);
        const int64_t *rows = rows_of(job->span, step, &size);
        job->span->totals[step] = batch_loss(
            job->loss, job->data, rows, size, width, output, net->upper, net->compared,
            net->compared + net->compared_most, &job->span->counts[step]);
        if (job->update->optimizer != NONE)
            run_backward(job, step);
    }
    return 0;
}

/* The two halves of a step around a loss that Python computes, which writes the gradient to `upper`. */
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
