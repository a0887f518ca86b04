/* Vectors of float32: as many values as a register of the processor holds.

   Where the compiler finds vectors by itself, plain loops are enough. Elsewhere a kernel says what it wants: a vector
   comes from memory with `load` and goes back with `store`; + - * / work on all its values, also with a number on one
   side. Multiplications and additions are fused where the processor can; nothing is reassociated, so the numbers do
   not depend on what the compiler sees around them. Compiled by clang and by GCC (12 or later). */

#ifndef HANDSON_VECTORS_H
#define HANDSON_VECTORS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

/* Registers that hold vectors. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif

#define INLINE static inline __attribute__((always_inline))
#define EXPORT __attribute__((visibility("default")))

/* A kernel that Python calls: it does the rows from `first` to `last` of what its record describes, and gives 0, or 1
   if it got no memory. A record's fields have 8 bytes each (pointers, int64_t, uint64_t, double), in the order of the
   class of `handson.kernels.library.Record` in Python, which compares the sizes. */
#define KERNEL(name, record)                                                                                           \
    EXPORT const int64_t name##_bytes = sizeof(record);                                                                \
    EXPORT int64_t name(const record *job, int64_t first, int64_t last)

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES))); /* also masks: -1 where a comparison holds, else 0 */
typedef uint8_t bytes __attribute__((vector_size(LANES)));

typedef vec __attribute__((aligned(4), may_alias)) loose_vec;
typedef ivec __attribute__((aligned(4), may_alias)) loose_ivec;
typedef bytes __attribute__((aligned(1), may_alias)) loose_bytes;

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

INLINE vec spread(float value) { return value - (vec){0}; } /* not added: -0 + 0 would be 0 */

INLINE vec load(const float *place) { return *(const loose_vec *)place; }
INLINE void store(float *place, vec values) { *(loose_vec *)place = values; }

/* Bytes become float32, and back. */
INLINE vec load_bytes(const uint8_t *place) { return __builtin_convertvector(*(const loose_bytes *)place, vec); }
INLINE void store_bytes(uint8_t *place, vec values)
{
    *(loose_bytes *)place = __builtin_convertvector(__builtin_convertvector(values, ivec), bytes);
}

/* `then` where a mask is true. */
INLINE vec choose(ivec mask, vec then, vec otherwise)
{
    return (vec)(((ivec)then & mask) | ((ivec)otherwise & ~mask));
}
/* NaN is not smaller than anything and equals nothing, but it is what wins in PyTorch's pooling. */
INLINE vec choose_smaller(vec a, vec b, vec then, vec otherwise) { return choose(a < b, then, otherwise); }
INLINE vec choose_equal(vec a, vec b, vec then, vec otherwise) { return choose(a == b, then, otherwise); }
INLINE vec choose_winner(vec a, vec b, vec then, vec otherwise)
{
    return choose((a > b) | (a != a), then, otherwise);
}

INLINE ivec lane_numbers(void)
{
#if LANES == 16
    return (ivec){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif LANES == 8
    return (ivec){0, 1, 2, 3, 4, 5, 6, 7};
#else
    return (ivec){0, 1, 2, 3};
#endif
}
/* A mask that is true in the first lanes. */
INLINE ivec first_mask(int64_t count) { return lane_numbers() < ((ivec){0} + (int32_t)count); }
/* The first values of a vector; 0 for the others. */
INLINE vec first_lanes(vec values, int64_t count) { return choose(first_mask(count), values, spread(0)); }

/* The first values, where they are fewer than a vector's; 0 for the others, which are not read. */
INLINE vec load_first(const float *place, int64_t count)
{
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), place);
#elif defined(__AVX2__)
    return (vec)_mm256_maskload_ps(place, (__m256i)first_mask(count));
#else
    vec values = {0};
    for (int64_t lane = 0; lane < LANES; lane++)
        if (lane < count)
            values[lane] = place[lane];
    return values;
#endif
}
INLINE void store_first(float *place, vec values, int64_t count)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(place, (__mmask16)((1u << count) - 1), (__m512)values);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(place, (__m256i)first_mask(count), (__m256)values);
#else
    for (int64_t lane = 0; lane < LANES; lane++)
        if (lane < count)
            place[lane] = values[lane];
#endif
}

/* `load` and `store` where only so many values, if they are fewer than a vector's, belong to it: the rest are 0, and
   neither read nor written. */
INLINE vec load_part(const float *place, int64_t count)
{
    return count >= LANES ? load(place) : load_first(place, count);
}
INLINE void store_part(float *place, vec values, int64_t count)
{
    if (count >= LANES)
        store(place, values);
    else
        store_first(place, values, count);
}
INLINE vec load_part_bytes(const uint8_t *place, int64_t count)
{
    if (count >= LANES)
        return load_bytes(place);
    uint8_t values[LANES] = {0};
    for (int64_t lane = 0; lane < count; lane++)
        values[lane] = place[lane];
    return load_bytes(values);
}
INLINE void store_part_bytes(uint8_t *place, vec all, int64_t count)
{
    if (count >= LANES) {
        store_bytes(place, all);
        return;
    }
    uint8_t values[LANES];
    store_bytes(values, all);
    for (int64_t lane = 0; lane < count; lane++)
        place[lane] = values[lane];
}

/* The sum of a vector's values, in pairs. */
INLINE float sum_of(vec values)
{
    float sums[LANES];
    store(sums, values);
    for (int half = LANES / 2; half; half /= 2)
        for (int lane = 0; lane < half; lane++)
            sums[lane] += sums[lane + half];
    return sums[0];
}

/* 2**n from 1.5 * 2**23 + n: a float32 of this size has the whole number n in the last bits of its pattern. */
INLINE vec power_of_two(vec shifted) { return (vec)(((ivec)shifted + 127) << 23); }
/* The n and the f of x = 2**n f with f from 1 to 2, for positive normal numbers. */
INLINE vec exponent_of(vec x) { return __builtin_convertvector(((ivec)x >> 23) - 127, vec); }
INLINE vec fraction_of(vec x) { return (vec)(((ivec)x & ((1 << 23) - 1)) | (127 << 23)); }

#endif
