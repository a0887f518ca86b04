/* The reflectance of a face at a place on it: skin, eyes, brows, lips and beard. See skin.py of
   handson/faces/simulator. */

#include "faces.h"

/* The skin under beard, moustache and stubble. */
static double beard(const scene *s, const float *table, double tone, double x, double y, double away)
{
    double edge = mix(s->nose_tip_y + 34, s->corner_y - 24, ramp(30, 62, away)), jaw = ramp(edge - 6, edge + 8, y);
    if (jaw > 0)
        jaw *= ramp(1.25, 0.7, 1.6 * hill(x / (1.9 * s->corner_x), (y - s->lip_bottom + 6) / 25) + 0.4);
    double lip = ramp(0.05, 0.5, hill(away / (s->corner_x + 9), (y - s->lip_top + 3 - 0.006 * x * x) / 9.5));
    double cover = larger(s->beard * jaw, s->moustache * lip);
    if (cover > 0)
        cover *= 0.55 + 0.9 * noise(table, x * 0.7, y * 0.3 + s->texture_seed);
    cover = lesser(0.95, cover + 0.4 * s->stubble * larger(jaw, lip));
    return mix(tone, lesser(tone, s->hair * 1.1 + 0.02), cover);
}

/* The skin with lips, and teeth and dark between them when the mouth is open. */
static double mouth(const scene *s, double tone, double x, double y, double *shine)
{
    double square = (x / s->corner_x) * (x / s->corner_x), flat = larger(0, 1 - square);
    double bow = (s->corner_y + s->lopsided * x / s->corner_x) * lesser(1, square);
    double inner_top = bow + flat * s->lip_inner_top, inner_bottom = bow + flat * s->lip_inner_bottom;
    /* The upper edge dips in the middle: Cupid's bow. */
    double full = __builtin_sqrt(flat), cupid = 1 - 0.2 * hill(x / 4.5, 0) + 0.1 * hill(x / 14, 0);
    double top = inner_top - (s->lip_inner_top - s->lip_top) * full * cupid / 0.9;
    double bottom = inner_bottom + (s->lip_bottom - s->lip_inner_bottom) * full;
    double within = ramp(1.12, 0.94, square);
    double red = ramp(-0.8, 1.0, y - top) * ramp(1.0, -1.0, y - bottom) * within;
    tone = mix(tone, tone * s->lip_shade * (y < inner_top ? 0.78 : 1.0), red);
    *shine = mix(*shine, 0.10, red * ramp(inner_bottom - 0.5, bottom + 0.5, y));
    double gap = s->lip_inner_bottom - s->lip_inner_top;
    if (gap > 0.2) {
        double inside = ramp(-0.5, 0.6, y - inner_top) * ramp(0.5, -0.6, y - inner_bottom) * within;
        double teeth_end = inner_top + 6.5 * lesser(1, 0.3 + 0.8 * larger(0, s->smile) + 0.015 * gap);
        double teeth = 0.38 * (1 - 0.6 * square) * (0.6 + 0.4 * ramp(0, 3.5, y - inner_top)) * ramp(1, 4, gap);
        tone = mix(tone, mix(teeth, 0.03, ramp(-0.8, 0.8, y - teeth_end)), inside);
        *shine *= 1 - inside;
    }
    double line = hill((y - inner_top) / 2.6, 0) * within * mix(0.72, 0.35, ramp(2, 5, gap));
    return tone * (1 - line);
}

/* The skin with the eyeball in the opening of the lids: white, iris, pupil, a spark of light. */
static double eye(const scene *s, double tone, double x, double y, double away)
{
    double side = away - s->eye_x, across = side / s->eye_half_width, square = across * across;
    if (square >= 1)
        return tone;
    double axis = -s->eye_tilt * across, upper = axis - s->lid_upper * (1 - square);
    double inside = ramp(-0.6, 0.4, y - upper) * ramp(0.4, -0.6, y - axis - s->lid_lower * (1 - square));
    if (inside <= 0)
        return tone;
    double sign = x > 0 ? 1 : -1, from_x = side - sign * s->gaze_x, from_y = y - s->gaze_y + 0.8;
    double distance = __builtin_sqrt(from_x * from_x + from_y * from_y);
    double ball = (0.26 + 0.42 * s->skin) * (1 - 0.4 * square);
    double iris = s->iris * (0.5 + 0.5 * ramp(5.8, 4.4, distance));
    ball = mix(ball, mix(iris, 0.01, ramp(2.7, 1.9, distance)), ramp(6.3, 5.5, distance));
    /* The lid throws a shadow. */
    ball *= 0.6 + 0.4 * ramp(-0.5, 3.2, y - upper);
    double spark = hill((from_x - 2 * sign * s->light_x) / 1.5, (from_y - 2 * s->light_y) / 1.5);
    return mix(tone, ball + 0.28 * spark, inside);
}

/* The skin under the brows, which thin out at both ends and are highest two thirds out. */
static double brow(const scene *s, const float *table, double tone, double x, double y, double away)
{
    double along = (away - s->brow_inner_x) / (s->brow_outer_x - s->brow_inner_x);
    if (along < -0.12 || along > 1.08)
        return tone;
    double line = mix(s->brow_inner_y, s->brow_outer_y, along) + 1.5 * hill((along - 0.05) / 0.5, 0);
    line -= s->brow_arch * hill((along - 0.62) / 0.75, 0) + 0.7 * s->lopsided * (x > 0 ? 1 : -1);
    double thick = s->brow_thickness * (1.15 - 0.7 * larger(0, along)) * ramp(-0.14, 0.1, along) + 0.2;
    double hairs = 0.65 + 0.5 * noise(table, away * 0.9 + y * 0.5 + s->texture_seed, y * 0.25);
    double cover = ramp(1.4, 0.4, size_of(y - line) / thick) * hairs * ramp(1.08, 0.9, along) * s->brow_strength;
    return mix(tone, lesser(tone, 0.6 * lesser(s->hair, 0.16) + 0.01), lesser(1, cover));
}

double face_tone(const scene *s, const float *table, double x, double y, double turn, double *shine)
{
    double away = size_of(x);
    double tone = s->skin * (1 + 2.6 * s->skin_grain * (noise(table, turn * 18 + s->texture_seed, y * 0.25) - 0.5));
    *shine = 0.05;
    if (y > 30) {
        if (s->beard + s->moustache + s->stubble > 0.05)
            tone = beard(s, table, tone, x, y, away);
        if (s->lip_top - 3 < y && y < s->lip_bottom + 3 && away < 1.1 * s->corner_x)
            tone = mouth(s, tone, x, y, shine);
    } else if (size_of(y - s->brow_inner_y + 2) < 15)
        tone = brow(s, table, tone, x, y, away);
    /* Eyes before strokes: lashes lie over the ball. */
    if (-14 < y && y < 12 && size_of(away - s->eye_x) < s->eye_half_width)
        tone = eye(s, tone, x, y, away);
    int64_t band = band_of(y);
    const int8_t *hills = s->tone.hills_of_band[band], *strokes = s->tone.strokes_of_band[band];
    for (int place = 1; place <= hills[0]; place++)
        tone *= 1 - hill_value(s->tone.hills[hills[place]], away, y);
    for (int place = 1; place <= strokes[0]; place++)
        tone *= 1 - stroke_value(s->tone.strokes[strokes[place]], away, y);
    return tone;
}
