/* The functions of elementary.h and vectors.h over arrays, for the tests, which compare them with double precision. */

#include "elementary.h"

enum {
    EXPONENTIAL, EXPONENTIAL_LESS_ONE, SIGMOID, TANH, LOGARITHM, LOGARITHM_OF_ONE_MORE, NORMAL_PROBABILITY,
    TWO_SIGMOIDS, SIGMOID_AND_TANH, SMALLER, EQUAL, WINNER
};

typedef struct {
    int64_t which;
    const float *x, *y; /* `y` where there are two arguments */
    float *first, *second;
} elementary_record;

INLINE fraction applied(int64_t which, vec x, vec y)
{
    switch (which) {
    case EXPONENTIAL: return (fraction){exponential(x), x};
    case EXPONENTIAL_LESS_ONE: return (fraction){exponential_less_one(x), x};
    case SIGMOID: return (fraction){sigmoid(x), x};
    case TANH: return (fraction){hyperbolic_tangent(x), x};
    case LOGARITHM: return (fraction){logarithm(x), x};
    case LOGARITHM_OF_ONE_MORE: return (fraction){logarithm_of_one_more(x), x};
    case NORMAL_PROBABILITY: return (fraction){normal_probability(x), x};
    case TWO_SIGMOIDS: return divided(sigmoid_fraction(x), sigmoid_fraction(y));
    case SIGMOID_AND_TANH: return divided(sigmoid_fraction(x), tanh_fraction(y));
    case SMALLER: return (fraction){choose_smaller(x, y, x, y), x};
    case EQUAL: return (fraction){choose_equal(x, y, x + x, y), x};
    default: return (fraction){choose_winner(x, y, x, y), x};
    }
}

/* The rows are values. */
KERNEL(elementary, elementary_record)
{
    for (int64_t i = first; i < last; i += LANES) {
        fraction found = applied(job->which, load_part(job->x + i, last - i), load_part(job->y + i, last - i));
        store_part(job->first + i, found.above, last - i);
        store_part(job->second + i, found.below, last - i);
    }
    return 0;
}

typedef struct {
    const float *x;
    float *y;
    const uint8_t *from;
    uint8_t *to;
    int64_t count;
} parts_record;

/* One more than the first values, of float32 and of bytes. */
KERNEL(some_more, parts_record)
{
    (void)first, (void)last;
    store_part(job->y, load_part(job->x, job->count) + 1.0f, job->count);
    store_part_bytes(job->to, load_part_bytes(job->from, job->count) + 1.0f, job->count);
    return 0;
}
