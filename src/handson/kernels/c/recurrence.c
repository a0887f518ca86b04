/* LSTM and GRU: all steps of some rows of a batch.

   A step begins with one product: [state, inputs, 1] of every row with the recurrent kernel, the kernel and the bias
   under each other. Rows do not depend on each other, so a thread goes through all steps with its rows and waits for
   no other. Arrays: inputs (steps + 1, rows, depth), gates (steps, rows, 4, width), cells (steps + 1, rows, width), where
   width is whole vectors. */

#include "elementary.h"
#include "memory.h"
#include "products.h"

/* The kinds are named by the gates that Keras counts; in memory both have four. */
enum { GRU = 3, LSTM = 4 };
#define GATES 4
/* The gradient of the weights is added to after so many steps: it does not fit into the nearest memory. */
#define TOGETHER 4

/* Gates (input, forget, candidate, output), formulas as in `handson.layers.LSTM.loop`: from the sums of a row's gates
   and the cells before to gates, cells and states. */
INLINE void lstm_step(float *gates, const float *before, float *after, float *hidden, int64_t width)
{
    for (int64_t j = 0; j < width; j += LANES) {
        float *place = gates + j;
        fraction both = divided(sigmoid_fraction(load(place)), sigmoid_fraction(load(place + width)));
        vec entry = both.above, forget = both.below;
        both = divided(tanh_fraction(load(place + 2 * width)), sigmoid_fraction(load(place + 3 * width)));
        vec candidate = both.above, out = both.below, state = forget * load(before + j) + entry * candidate;
        store(place, entry);
        store(place + width, forget);
        store(place + 2 * width, candidate);
        store(place + 3 * width, out);
        store(after + j, state);
        store(hidden + j, out * hyperbolic_tangent(state));
    }
}

/* From the gradients of states and cells after the step to those of the sums, and of the cells before it. */
INLINE void lstm_back(
    const float *gates, const float *before, const float *after, const float *d_hidden, float *d_state, float *d_gates,
    int64_t width)
{
    for (int64_t j = 0; j < width; j += LANES) {
        const float *place = gates + j;
        vec entry = load(place), forget = load(place + width);
        vec candidate = load(place + 2 * width), out = load(place + 3 * width);
        vec y = hyperbolic_tangent(load(after + j)), above = load(d_hidden + j);
        vec inner = load(d_state + j) + above * out * (1.0f - y * y);
        store(d_gates + j, inner * candidate * (entry * (1.0f - entry)));
        store(d_gates + j + width, inner * load(before + j) * (forget * (1.0f - forget)));
        store(d_gates + j + 2 * width, inner * entry * (1.0f - candidate * candidate));
        store(d_gates + j + 3 * width, above * y * (out * (1.0f - out)));
        store(d_state + j, inner * forget);
    }
}

/* Gates (update, reset, candidate), formulas as in `handson.layers.GRU.loop`, reset after the product. The sums of the
   candidate come in two parts, that of the state, which is reset, and that of the inputs. What is kept: both gates, the
   first of the parts, and the candidate. The cell is the state. */
INLINE void gru_step(float *gates, const float *before, float *after, float *hidden, int64_t width)
{
    for (int64_t j = 0; j < width; j += LANES) {
        float *place = gates + j;
        fraction both = divided(sigmoid_fraction(load(place)), sigmoid_fraction(load(place + width)));
        vec update = both.above, reset = both.below;
        vec candidate = hyperbolic_tangent(load(place + 3 * width) + reset * load(place + 2 * width));
        vec state = update * load(before + j) + (1.0f - update) * candidate;
        store(place, update);
        store(place + width, reset);
        store(place + 3 * width, candidate);
        store(after + j, state);
        store(hidden + j, state);
    }
}

INLINE void gru_back(
    const float *gates, const float *before, const float *d_hidden, float *d_state, float *d_gates, int64_t width)
{
    for (int64_t j = 0; j < width; j += LANES) {
        const float *place = gates + j;
        vec update = load(place), reset = load(place + width);
        vec inner = load(place + 2 * width), candidate = load(place + 3 * width);
        vec above = load(d_hidden + j) + load(d_state + j);
        vec into = above * (1.0f - update) * (1.0f - candidate * candidate);
        store(d_gates + j, above * (load(before + j) - candidate) * (update * (1.0f - update)));
        store(d_gates + j + width, into * inner * (reset * (1.0f - reset)));
        store(d_gates + j + 2 * width, into * reset);
        store(d_gates + j + 3 * width, into);
        store(d_state + j, above * update);
    }
}

typedef struct {
    const int64_t *ends; /* the first row of each part, and the row after its last */
    int64_t kind, steps, rows, depth, width;
    int64_t kept, kept_cells; /* steps of gates and of cells; 1 of each where nothing is kept */
    float *inputs, *gates, *cells;
    const float *weights; /* (4 * width / LANES, depth, LANES) */
} forward_record;

/* All steps of the rows of some parts: gates, cells and, into the next inputs, the states are written. */
static void go_forward(const forward_record *job, int64_t first, int64_t last)
{
    const int64_t width = job->width, depth = job->depth, across = GATES * width;
    for (int64_t t = 0; t < job->steps; t++) {
        float *gates = job->gates + (t % job->kept * job->rows + first) * across;
        float *inputs = job->inputs + (t * job->rows + first) * depth, *state = inputs + job->rows * depth;
        const float *before = job->cells + (t % job->kept_cells * job->rows + first) * width;
        float *after = job->cells + ((t + 1) % job->kept_cells * job->rows + first) * width;
        multiply(&(product){
            .rows = last - first, .depth = depth, .columns = across, .sums = gates, .sums_row = across, .left = inputs,
            .left_row = depth, .left_step = 1, .right = job->weights, .right_row = LANES,
            .right_vector = depth * LANES});
        for (int64_t i = 0; i < last - first; i++) {
            if (job->kind == LSTM)
                lstm_step(gates + i * across, before + i * width, after + i * width, state + i * depth, width);
            else
                gru_step(gates + i * across, before + i * width, after + i * width, state + i * depth, width);
        }
    }
}

KERNEL(recur_forward, forward_record)
{
    for (int64_t part = first; part < last; part++)
        go_forward(job, job->ends[2 * part], job->ends[2 * part + 1]);
    return 0;
}

typedef struct {
    const int64_t *ends;
    int64_t kind, steps, rows, depth, width;
    int64_t upper_steps, wanted; /* columns of `d_inputs` */
    int64_t kept;                /* steps + 1, or 1 where the gradient of the inputs is not needed */
    const float *upper;          /* the gradients of the states of the last steps, (upper_steps, rows, width) */
    const float *inputs, *gates, *cells;
    const float *weights; /* transposed: (wanted / LANES, 4 * width, LANES) */
    float *d_inputs;      /* (kept, rows, wanted) */
    float *d_cells;       /* (rows, width), zeros before */
    float *d_weights;     /* (parts, depth, 4 * width), zeros before */
} backward_record;

/* The rows of a part, in reverse. `slopes` and `seen` have room for `TOGETHER` steps. */
static void go_back(
    const backward_record *job, int64_t first, int64_t last, float *d_weights, float *slopes, int64_t *seen,
    const int64_t *columns)
{
    const int64_t width = job->width, across = GATES * width, wanted = job->wanted, rows = last - first;
    const int64_t earliest = job->steps - job->upper_steps, room = TOGETHER * rows;
    float *d_cells = job->d_cells + first * width;
    int64_t count = 0;
    for (int64_t t = job->steps - 1; t >= 0; t--) {
        float *above = job->d_inputs + ((t + 1) % job->kept * job->rows + first) * wanted;
        float *below = job->d_inputs + (t % job->kept * job->rows + first) * wanted;
        const float *gates = job->gates + (t * job->rows + first) * across;
        const float *before = job->cells + (t * job->rows + first) * width, *after = before + job->rows * width;
        float *mine = slopes + count * across;
        for (int64_t i = 0; i < rows; i++) {
            if (t >= earliest) {
                const float *upper = job->upper + ((t - earliest) * job->rows + first + i) * width;
                for (int64_t j = 0; j < width; j += LANES)
                    store(above + i * wanted + j, load(above + i * wanted + j) + load(upper + j));
            }
            if (job->kind == LSTM)
                lstm_back(
                    gates + i * across, before + i * width, after + i * width, above + i * wanted, d_cells + i * width,
                    mine + i * across, width);
            else
                gru_back(
                    gates + i * across, before + i * width, above + i * wanted, d_cells + i * width, mine + i * across,
                    width);
            seen[count + i] = ((t * job->rows) + first + i) * job->depth;
        }
        multiply(&(product){
            .rows = rows, .depth = across, .columns = wanted, .sums = below, .sums_row = wanted, .left = mine,
            .left_row = across, .left_step = 1, .right = job->weights, .right_row = LANES,
            .right_vector = across * LANES});
        count += rows;
        if (count == room || t == 0) {
            multiply_gathered(&(product){
                .rows = job->depth, .depth = count, .columns = across, .sums = d_weights, .sums_row = across,
                .begin = d_weights, .begin_row = across, .left = job->inputs, .offsets = columns, .steps = seen,
                .right = slopes, .right_row = across, .right_vector = LANES});
            count = 0;
        }
    }
}

KERNEL(recur_backward, backward_record)
{
    const int64_t size = job->depth * GATES * job->width;
    int64_t rows = 0, *seen = NULL, *columns = malloc((size_t)job->depth * sizeof(int64_t));
    float *slopes = NULL;
    for (int64_t part = first; part < last; part++)
        rows = most(rows, job->ends[2 * part + 1] - job->ends[2 * part]);
    slopes = in_lines(rows * TOGETHER * GATES * job->width);
    seen = malloc((size_t)most(rows * TOGETHER, 1) * sizeof(int64_t));
    const bool enough = columns && slopes && seen;
    for (int64_t k = 0; enough && k < job->depth; k++)
        columns[k] = k;
    for (int64_t part = first; enough && part < last; part++)
        go_back(
            job, job->ends[2 * part], job->ends[2 * part + 1], job->d_weights + part * size, slopes, seen, columns);
    free(columns), free(slopes), free(seen);
    return !enough;
}
