/* What the processor can do: which variant of the kernels is for it. Asked of the plain library. */

#include "vectors.h"

#if defined(__x86_64__)
#include <cpuid.h>

#define HAS(word, bits) (((word) & (bits)) == (bits))

/* Which registers the system saves. */
static uint32_t saved(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* 4 and 3: x86-64-v4 (AVX-512) and x86-64-v3 (AVX2), as the processor supplement of the System V ABI lists them. */
EXPORT int64_t handson_level(void)
{
    uint32_t a, b, c, d, first, extended, more;
    if (!__get_cpuid(1, &a, &b, &first, &d) || !__get_cpuid_count(7, 0, &a, &more, &c, &d) ||
        !__get_cpuid(0x80000001, &a, &b, &extended, &d))
        return 1;
    uint32_t of_first = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C, of_more = bit_AVX2 | bit_BMI | bit_BMI2;
    if (!HAS(first, of_first) || !HAS(more, of_more) || !HAS(extended, bit_LZCNT) || !HAS(saved(), 0x6))
        return 1;
    uint32_t wide = bit_AVX512F | bit_AVX512DQ | bit_AVX512CD | bit_AVX512BW | bit_AVX512VL;
    return HAS(more, wide) && HAS(saved(), 0xe6) ? 4 : 3;
}
#else
EXPORT int64_t handson_level(void) { return 1; }
#endif
