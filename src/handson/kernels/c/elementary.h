/* Elementary functions of vectors, accurate to about two units in the last place, in plain arithmetic.

   The polynomials of exp and log are those of the Cephes library (Moshier, 1992). */

#ifndef HANDSON_ELEMENTARY_H
#define HANDSON_ELEMENTARY_H

#include "vectors.h"

/* The value of a fraction's parts: see `divided`. */
typedef struct {
    vec above, below;
} fraction;

/* ln 2 in two parts, the first with few digits, so that a whole number times it is exact. */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f
/* To add it rounds to a whole number: see `power_of_two`. */
#define SHIFT 12582912.0f

/* p and q (above and below) with exp(x) = q + p q, q a power of two and p small; x is brought between -largest and
   largest before. */
INLINE fraction exponential_parts(vec x, float largest)
{
    vec high = spread(largest), low = spread(-largest);
    x = choose_smaller(x, low, low, x);
    x = choose_smaller(high, x, high, x);
    vec shifted = x * 1.4426950408889634f + SHIFT;
    vec whole = shifted - SHIFT;
    vec r = x - whole * LN2_HIGH - whole * LN2_LOW;
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (fraction){p * (r * r) + r, power_of_two(shifted)};
}

/* exp(x) for x up to 87.3; the smallest normal number for those below -87.3. */
INLINE vec exponential(vec x)
{
    fraction e = exponential_parts(x, 87.3f);
    return e.below + e.above * e.below;
}

/* exp(x) - 1 for x up to 87.3, without loss of digits near 0. */
INLINE vec exponential_less_one(vec x)
{
    fraction e = exponential_parts(x, 87.3f);
    return e.above * e.below + (e.below - 1.0f);
}

/* 1 / (1 + exp(-x)) */
INLINE vec sigmoid(vec x)
{
    fraction e = exponential_parts(x * -1.0f, 87.3f);
    return 1.0f / (1.0f + (e.below + e.above * e.below));
}

/* The sigmoid as a fraction; 0 where it is below 2e-19. */
INLINE fraction sigmoid_fraction(vec x)
{
    fraction e = exponential_parts(x * -1.0f, 43.0f);
    vec above = choose_smaller(x, spread(-43.0f), spread(0), spread(1));
    return (fraction){above, 1.0f + (e.below + e.above * e.below)};
}

/* The hyperbolic tangent as a fraction: (exp(2 x) - 1) / (exp(2 x) + 1), without loss of digits near 0. */
INLINE fraction tanh_fraction(vec x)
{
    fraction e = exponential_parts(x + x, 18.0f);
    vec less = e.above * e.below + (e.below - 1.0f);
    return (fraction){less, less + 2.0f};
}

INLINE vec hyperbolic_tangent(vec x)
{
    fraction t = tanh_fraction(x);
    return t.above / t.below;
}

/* The values of two fractions (into `a.above` and `a.below`), with one division: a processor makes four products in
   the time of one of these. The product of the denominators must be finite. */
INLINE fraction divided(fraction a, fraction b)
{
    vec inverse = 1.0f / (a.below * b.below);
    return (fraction){a.above * b.below * inverse, b.above * a.below * inverse};
}

/* log(1 + x) for x from 0 to 1: twice the inverse hyperbolic tangent of x / (2 + x), by its series. */
INLINE vec logarithm_of_one_more(vec x)
{
    vec s = x / (x + 2.0f);
    vec z = s * s;
    vec p = z * (float)(1.0 / 17) + (float)(1.0 / 15);
    p = p * z + (float)(1.0 / 13);
    p = p * z + (float)(1.0 / 11);
    p = p * z + (float)(1.0 / 9);
    p = p * z + (float)(1.0 / 7);
    p = p * z + (float)(1.0 / 5);
    p = p * z + (float)(1.0 / 3);
    return (s + s) * (p * z) + (s + s);
}

/* log(x) for x from the smallest normal number to the largest: x is a fraction between the roots of 1/2 and of 2 times
   a power of two. */
INLINE vec logarithm(vec x)
{
    vec f = fraction_of(x), power = exponent_of(x), root = spread(1.4142135623730951f);
    power = choose_smaller(root, f, power + 1.0f, power);
    vec r = choose_smaller(root, f, f * 0.5f, f) - 1.0f;
    vec z = r * r;
    vec p = r * 7.0376836292e-2f + -1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r + -1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r + -1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r + -2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    p = (p * r) * z + power * LN2_LOW - z * 0.5f;
    /* The last term is 0, but for NaN, which the bits above do not keep. */
    return (r + p) + power * LN2_HIGH + (x - x);
}

/* The share of the standard normal distribution below x.

   From a fit of the complementary error function whose relative error is at most 1.2e-7 (Press et al., Numerical
   Recipes, 2nd edition, 1992, section 6.2). */
INLINE vec normal_probability(vec x)
{
    vec zero = spread(0);
    vec z = choose_smaller(x, zero, x * -1.0f, x) * 0.7071067811865476f;
    vec t = 2.0f / (z + 2.0f);
    vec p = t * 0.17087277f + -0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t + -1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t + -0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t + -1.26551223f;
    vec beyond = t * exponential(p - z * z) * 0.5f;
    return choose_smaller(x, zero, beyond, 1.0f - beyond);
}

#endif
