/* The words of `handson.randomness.words`: random numbers of 32 bits that are a function of key, sample and position. */

#ifndef HANDSON_WORDS_H
#define HANDSON_WORDS_H

#include "vectors.h"

#define WEYL 0x9E3779B9u
#define MIX_1 0x21F0AAADu
#define MIX_2 0x735A2D97u

/* The two words of a sample. */
typedef struct {
    uint32_t first, second;
} row_pair;

INLINE uint32_t mixed(uint32_t x)
{
    x = (x ^ (x >> 16)) * MIX_1;
    x = (x ^ (x >> 15)) * MIX_2;
    return x ^ (x >> 15);
}

/* As `handson.randomness.words.row_words`. */
INLINE row_pair row_words(uint64_t key, int64_t row)
{
    uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    uint32_t start = mixed((uint32_t)row * WEYL + low);
    return (row_pair){mixed(start ^ high), mixed(start + high + WEYL)};
}

/* The word of one element of a sample. */
INLINE uint32_t element_word(row_pair words, uint32_t position)
{
    uint32_t x = position * WEYL + words.first;
    x = (x ^ (x >> 16)) * MIX_1;
    x = ((x ^ (x >> 15)) + words.second) * MIX_2;
    return x ^ (x >> 15);
}

#endif
