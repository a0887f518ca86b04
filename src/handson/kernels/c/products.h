/* Products of matrices inside kernels, without a call of BLAS, which has threads of its own, spends more time around
   small products than in them, and rounds differently with other numbers of rows. See products.c. */

#ifndef HANDSON_PRODUCTS_H
#define HANDSON_PRODUCTS_H

#include "vectors.h"

/* Of loops with a fixed number of turns: what they work on stays in registers. */
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

/* Up to here OpenBLAS has no second core work on a product either. */
#define MOST_MULTIPLICATIONS (1 << 18)

/* sums = begin + left @ right, (rows, columns). All steps between values are counted in float32. */
typedef struct {
    int64_t rows, depth, columns;
    float *sums;
    int64_t sums_row;
    const float *begin; /* NULL: zeros; `begin_row` 0: one row for all. It may be `sums`. */
    int64_t begin_row;
    const float *left; /* the element (i, k) is left[i * left_row + k * left_step] */
    int64_t left_row, left_step;
    const int64_t *offsets, *steps; /* of a gathered product: the element (i, k) is left[offsets[i] + steps[k]] */
    const float *right;             /* vectors of a row, one after another */
    int64_t right_row, right_vector;
} product;

/* A row and a column are the same numbers in any company. */
EXPORT void multiply(const product *given);
EXPORT void multiply_gathered(const product *given);

/* sums = begin + left @ right, where rows of `sums` and `right` have no gaps in them; `begin` is one row, or NULL. */
EXPORT void make_product(
    float *sums, int64_t sums_row, const float *begin, const float *left, int64_t left_row, int64_t left_step,
    const float *right, int64_t right_row, int64_t rows, int64_t depth, int64_t columns);

/* turned = matrix.T, both without gaps. */
EXPORT void transpose(const float *matrix, int64_t rows, int64_t columns, float *turned);

/* Whether a product of these sizes belongs here rather than into BLAS. */
INLINE bool is_small(int64_t rows, int64_t depth, int64_t columns)
{
    return rows * depth * columns <= MOST_MULTIPLICATIONS;
}

#endif
