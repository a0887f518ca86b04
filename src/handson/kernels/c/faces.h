/* The scene of a picture of a face, and the smooth functions that shapes and shades are made of: hills, strokes, ramps
   and noise. See handson/faces/simulator. */

#ifndef HANDSON_FACES_H
#define HANDSON_FACES_H

#include "vectors.h"

/* Bands of y, in millimetres, from above the brows to below the chin; further out the last one counts. */
#define FIRST_BAND -64.0
#define BAND_HEIGHT 3.0
#define BANDS 72
/* Room for this many hills and as many strokes per kind. */
#define MOST_MARKS 20
#define NOISE_SIZE 64

/* The parts of a person. */
enum { HEAD, EAR, NECK, TORSO, CURTAIN };

/* Hills and strokes, and for each band how many of them touch it, and which. */
typedef struct {
    double hills[MOST_MARKS][5];
    int8_t hills_of_band[BANDS][1 + MOST_MARKS];
    double strokes[MOST_MARKS][7];
    int8_t strokes_of_band[BANDS][1 + MOST_MARKS];
} marks;

/* `SCENE` of parameters.py: a test compares the fields. */
typedef struct {
    double head_width, face_length, jaw_width, masculinity, age, fullness, eye_x, eye_half_width, eye_height, eye_tilt;
    double eye_depth, iris, lid_crease, brow_y, brow_inner_x, brow_outer_x, brow_arch, brow_thickness, brow_strength;
    double nose_tip_y, nose_height, nose_width, nose_hump, mouth_y, mouth_half_width, lip_upper, lip_lower, lip_shade;
    double cheekbone, chin, chin_y, skin, skin_grain, hair, hair_thickness, hairline, recession, baldness, fringe, parting;
    double temples, curl, hair_length, hair_wave, hair_open, sideburn, beard, moustache, stubble, makeup, ear_size;
    double ear_angle, glasses, glasses_rim, glasses_rim_width, lens_width, lens_height, lens_tint, lens_squareness;
    double shoulders, cloth, shirt, collar, texture_seed, yaw, pitch, roll, scale, shift_x, shift_y, jaw_drop, smile;
    double lopsided, brow_raise, frown, eyelid, gaze_x, gaze_y, light_x, light_y, light_z, key, fill, ambient, ground;
    double ground_contrast, ground_x, ground_y, ground_detail, ground_seed, occluder, occluder_x, occluder_y;
    double occluder_angle, occluder_size, occluder_shade, blur, motion, motion_angle, exposure, contrast, gamma, haze;
    double noise, coarseness, sharpening, corner_x, corner_y, lip_top, lip_inner_top, lip_inner_bottom, lip_bottom;
    double chin_now, lid_upper, lid_lower, brow_inner_y, brow_outer_y;
    marks relief, tone;
} scene;

INLINE double lesser(double a, double b) { return a < b ? a : b; }
INLINE double larger(double a, double b) { return a > b ? a : b; }
INLINE double size_of(double a) { return __builtin_fabs(a); }
INLINE double floor_of(double a)
{
#if defined(__SSE4_1__) || defined(__aarch64__)
    return __builtin_floor(a);
#else /* where it would be a call of a library */
    double whole = (double)(int64_t)a;
    return whole > a ? whole - 1 : whole;
#endif
}
INLINE double ceil_of(double a) { return -floor_of(-a); }

/* A smooth elliptic hill: 1 at the origin, 0 from the unit circle outwards. */
INLINE double hill(double across, double down)
{
    double rest = larger(0, 1 - across * across - down * down);
    return rest * rest;
}

/* A smooth step from 0 at `low` to 1 at `high`; `low` may be the larger one. */
INLINE double ramp(double low, double high, double value)
{
    double share = lesser(1, larger(0, (value - low) * (1 / (high - low))));
    return share * share * (3 - 2 * share);
}

/* `first` where the weight is 0 and `second` where it is 1. */
INLINE double mix(double first, double second, double weight) { return first + (second - first) * weight; }

/* Smooth noise between 0 and 1; neighbouring integers are independent. */
INLINE double noise(const float *table, double across, double down)
{
    double left = floor_of(across), top = floor_of(down), right_weight = across - left, low_weight = down - top;
    right_weight *= right_weight * (3 - 2 * right_weight);
    low_weight *= low_weight * (3 - 2 * low_weight);
    int64_t column = (int64_t)left & (NOISE_SIZE - 1), row = (int64_t)top & (NOISE_SIZE - 1);
    int64_t right = (column + 1) & (NOISE_SIZE - 1);
    const float *upper = table + row * NOISE_SIZE, *lower = table + ((row + 1) & (NOISE_SIZE - 1)) * NOISE_SIZE;
    double above = mix((double)upper[column], (double)upper[right], right_weight);
    return mix(above, mix((double)lower[column], (double)lower[right], right_weight), low_weight);
}

/* One hill at `away` millimetres from the middle of the face. */
INLINE double hill_value(const double *row, double away, double y)
{
    return row[4] * hill((away - row[0]) * row[2], (y - row[1]) * row[3]);
}

/* One stroke at `away` millimetres from the middle of the face. */
INLINE double stroke_value(const double *row, double away, double y)
{
    double across = (away - row[0]) * row[1], square = across * across;
    double line = row[2] + row[3] * larger(0, 1 - square) + row[4] * across;
    double down = (y - line) * row[5], rest = larger(0, 1 - down * down);
    return row[6] * rest * rest * lesser(1, larger(0, 1.44 - square) * 1.6);
}

/* The band that a place lies in. */
INLINE int64_t band_of(double y)
{
    return (int64_t)lesser(BANDS - 1, larger(0, (y - FIRST_BAND) / BAND_HEIGHT));
}

/* How many millimetres a place of the head lies inside the hairline; negative: skin. */
double inside_hair(const scene *s, double x, double y, double turn);
/* Reflectance and shininess of the face at (x, y), `turn` radians from the front; no hair. */
double face_tone(const scene *s, const float *table, double x, double y, double turn, double *shine);

#endif
