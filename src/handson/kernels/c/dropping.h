/* What dropout keeps: the vectors of random words that words.h has one by one. */

#ifndef HANDSON_DROPPING_H
#define HANDSON_DROPPING_H

#include "words.h"

typedef uint32_t word_vec __attribute__((vector_size(4 * LANES)));

/* A mask of the elements, from a position of their sample on, whose words reach the threshold. */
INLINE ivec kept_from(row_pair words, int64_t position, uint32_t threshold)
{
    word_vec x = ((word_vec)lane_numbers() + (uint32_t)position) * WEYL + words.first;
    x = (x ^ (x >> 16)) * MIX_1;
    x = ((x ^ (x >> 15)) + words.second) * MIX_2;
    x = x ^ (x >> 15);
    return (ivec)(x >= (word_vec){0} + threshold);
}

/* What the elements are multiplied with. */
INLINE vec factors_from(row_pair words, int64_t position, uint32_t threshold, float scale)
{
    return choose(kept_from(words, position, threshold), spread(scale), spread(0));
}

#endif
