/* The program of a net of dense layers: what its parts are given. See dense_program.c. */

#ifndef HANDSON_DENSE_H
#define HANDSON_DENSE_H

#include "threads.h"
#include "vectors.h"

/* The numbers of dense_activation.py, dense_loss.py, dense_update.py and dense_program.py. */
enum {
    LINEAR, RELU, LEAKY_RELU, ELU, SELU, RELU6, HARD_SIGMOID, TANH, SIGMOID, SOFTSIGN, EXPONENTIAL, SOFTMAX, SOFTPLUS,
    SILU, GELU
};
enum { MSE, MAE, HUBER, BINARY, BINARY_LOGITS, CATEGORICAL, CATEGORICAL_LOGITS };
enum {
    PLAIN_SGD, MOMENTUM_SGD, NESTEROV_SGD, RMSPROP, MOMENTUM_RMSPROP, CENTERED_RMSPROP, CENTERED_MOMENTUM_RMSPROP, ADAM,
    AMSGRAD, ADAGRAD, ADADELTA, NONE
};
enum { UNBOUNDED, BY_VALUE, BY_NORM, BY_GLOBAL_NORM };
enum {
    MATMUL, ACTIVATION, DROPOUT, BATCH_NORMALIZATION, SCALING, GATHER, JOIN, AFFINE, PRODUCT, LARGER, SMALLER
};

/* A row of `operations`. Sizes of a sample before and after, and offsets into flat arrays, -1 for what is not there.
   MATMUL: kernel, bias, whether any of them is trained, and the bits of those (1, 2) whose gradients have a part already,
   from an application that comes later in the net. ACTIVATION: which. DROPOUT: its number.
   BATCH_NORMALIZATION: gamma, beta, its moments, and its number. SCALING, which is what it does in evaluation mode:
   the same. GATHER: the first of its columns in the data. JOIN: the first of the columns of the output that the input is
   put into, and whether it is added to what is there. AFFINE: the number of its factor and of what it adds. PRODUCT,
   LARGER, SMALLER, of which there are two in a row with the same output, one for each input: where the other input is,
   and whether this is the second, which has nothing to do in the forward pass. */
typedef struct {
    int64_t kind, before, after, first, second, third, number;
    int64_t x, y;   /* where in the arena input and output are */
    int64_t dx, dy; /* where in `slopes` their gradients are, -1 for one that is not needed */
    int64_t adds;   /* whether other operations have given a part of the gradient of the input */
} operation;

/* The net, and the memory that its steps work in. */
typedef struct {
    const operation *operations; /* each after those that it needs */
    int64_t count;
    float *weights, *gradients;
    float *moving, *moments; /* means and variances, `features` each; means and 1 / standard deviations */
    int64_t features;
    const float *constants; /* pairs: epsilon and momentum of a normalization; factor and offset of AFFINE */
    const uint32_t *thresholds;
    const float *scales; /* of each dropout */
    uint8_t *masks;
    float *arena, *slopes, *spare, *sums, *compared, *turned;
    int64_t most; /* half the room of `sums`, and the room of `compared` for one of its two */
    int64_t compared_most;
    crew threads;
} dense_net;

/* The loss of one output: which, its weight among those of the others, the width of the output, where in the arena that
   is, where in `slopes` its gradient goes, and whether it is added to that of another loss. */
typedef struct {
    int64_t kind;
    double delta, weight;
    int64_t columns, output, gradient, adds;
} dense_loss;

typedef struct {
    const float *values;
    int64_t columns;
    const float *weights; /* of samples, or NULL */
} dense_targets;

/* An output of the net. */
typedef struct {
    const dense_loss *loss;
    const dense_targets *targets;
    double *totals;
    int64_t *counts;
    float *outputs; /* or NULL */
} dense_head;

/* What follows the gradients; `rates` to `shares` have a number for each step. */
typedef struct {
    const int64_t *penalized; /* pairs: where weights with penalties begin and end */
    const float *factors;     /* pairs: of L1 and L2 */
    int64_t penalties, clipping;
    double bound;
    const int64_t *ends; /* where each trained weight ends */
    int64_t trained;     /* how many these are */
    int64_t optimizer;
    const float *rates, *momenta, *decays, *shares;
    double first, second, epsilon;
    float *slots; /* rows of `stride` values; the last of the four is the average of the weights */
    int64_t stride;
} dense_update;

/* Epochs of the same length, one after another. */
typedef struct {
    const int64_t *order; /* rows */
    int64_t length, batch_size, steps; /* of an epoch */
    const uint64_t *keys; /* a row for each epoch */
    int64_t drops;        /* keys in a row */
    double *penalties;    /* of each step */
} dense_span;

typedef struct {
    const dense_net *net;
    const float *inputs; /* a row for each sample */
    int64_t columns;
    const dense_head *heads;
    int64_t outputs; /* how many heads */
    const dense_update *update;
    const dense_span *span;
} dense_training;

void activate(int64_t kind, int64_t rows, int64_t columns, const float *inputs, float *outputs);
void deactivate(
    int64_t kind, int64_t rows, int64_t columns, const float *inputs, const float *outputs, float *gradients);
/* The summed loss of a batch, and in `count` how many values are in it; the gradient of the sum over the count, times
   the weight. */
double batch_loss(
    const dense_loss *loss, const dense_targets *targets, const int64_t *rows, int64_t size, const float *output,
    float *gradient, float *wanted, float *values, int64_t *count);
/* One step, from the gradients of the loss to new weights; gives the sum of the penalties. */
double apply_gradients(const dense_update *update, int64_t step, float *weights, float *gradients);

void dense_outputs(
    const crew *threads, int64_t rows, int64_t before, int64_t after, const float *x, const float *kernel, const float *bias,
    float *y);
void dense_gradients(
    const crew *threads, int64_t rows, int64_t before, int64_t after, const float *x, const float *gradient, float *d_kernel,
    float *d_bias);
void input_gradients(
    const crew *threads, int64_t rows, int64_t before, int64_t after, const float *kernel, const float *gradient,
    float *below, float *turned);

#endif
